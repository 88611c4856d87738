"""The article's LeNet on two workers that share each batch of 100: `launch`, torchrun and MXNet's dist_sync."""

from side_by_side import Program, Row, Target


def rows(sizes):
    workers = {"processes": 2}
    launch, torchrun = "-m pushgrad.launch --workers 2", "-m torch.distributed.run --standalone --nproc-per-node 2"
    programs = (
        Program("pushgrad launch", "pushgrad", "pushgrad_training.py", tuple(launch.split()), **workers),
        Program("PyTorch DDP", "torch", "torch_training.py", tuple(torchrun.split()), **workers, lines=2),
        Program("MXNet dist_sync", "mxnet", "mxnet_job.py", **workers, lines=2),
    )
    targets = (Target("PyTorch DDP", ("PyTorch DDP",), 0.5), Target("MXNet dist_sync", ("MXNet dist_sync",), 0.45))
    title = f"LeNet, epoch of {sizes.digits} digits, 2 workers + server"
    task = {"network": "lenet", "batch": 100, "count": sizes.digits}
    yield Row("distributed", title, programs, targets, task, "epoch")

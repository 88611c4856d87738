"""Scripts that jobs on clusters run; tests add to them what they look at."""

# Its parameters are those of a local job, bit for bit; each rank writes them to a file.
TRAIN = """
import os, sys
import numpy as np
import pushgrad as mx

rng = np.random.default_rng(1)
X, y = rng.standard_normal((48, 20), np.float32), rng.integers(0, 3, 48).astype(np.float32)
mx.random.seed(3)
model = mx.mlp(X, y, hidden_node=16, out_node=3, num_epoch=3, batch_size=12, learning_rate=0.1, momentum=0.9, slices=4)
np.savez(f"{sys.argv[1]}-{mx.rank()}.npz", **model.arg_params)
"""
# The same training, by a job that something interrupts: in the first of its lives it comes to step 7 and no further.
INTERRUPTED = """
import os, signal
def halt(param):
    if param.epoch == 1 and param.nbatch == 3 and not os.path.exists("halted"):
        open("halted", "w").close()
        print("halted", flush=True)
        signal.pause()
""" + TRAIN.replace("slices=4)", "slices=4, batch_end_callback=halt)")
# The same again, by a job of Slurm's that is too slow: in its first life rank 0 comes to step 3 and waits for a signal,
# and for ever in the next epoch. The descriptor tells of signals without taking them.
TOO_SLOW = """
import os, signal
told, telling = os.pipe()
os.set_blocking(telling, False)
signal.set_wakeup_fd(telling)
def halt(param):
    if os.environ["RANK"] == "0" and "SLURM_RESTART_COUNT" not in os.environ:
        if (param.epoch, param.nbatch) == (1, 3):
            os.read(told, 1)
        while param.epoch == 2:
            signal.pause()
""" + TRAIN.replace("slices=4)", "slices=4, batch_end_callback=halt)")
# One step through the store.
SUM = """
import sys
import numpy as np
import pushgrad as mx
store = mx.kv.create("dist_sync")
store.init("a", np.zeros(2, np.float32))
store.push("a", np.ones(2, np.float32))
out = np.zeros(2, np.float32)
store.pull("a", out)
print("sum", out, "of", store.num_workers, flush=True)
"""
# What dmlc-core's tracker does (dmlc_tracker/tracker.py, local.py, mpi.py, slurm.py): it starts the scheduler itself,
# and by the same command the others.
TRACKER = """#!/usr/bin/env python3
import argparse, os, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("--cluster")
parser.add_argument("--num-workers", type=int)
parser.add_argument("--num-servers", type=int)
args, command = parser.parse_known_args()
envs = {"DMLC_NUM_WORKER": args.num_workers, "DMLC_NUM_SERVER": args.num_servers, "DMLC_JOB_CLUSTER": args.cluster}
envs |= {"DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": os.environ.pop("TRACKER_PORT", "9091")}
envs = {name: str(value) for name, value in envs.items()}
running = [subprocess.Popen(" ".join(command), shell=True, env=os.environ | envs | {"DMLC_ROLE": "scheduler"})]
def start(role, number, first):
    mine = envs | {"DMLC_ROLE": role}
    if args.cluster == "local":
        for task in range(first, first + number):
            env = os.environ | mine | {"DMLC_TASK_ID": str(task)}
            running.append(subprocess.Popen(" ".join(command), shell=True, env=env))
    else:
        mpi = [word for name in mine for word in ("-x", name + "=" + mine[name])]
        words = {"mpi": ["mpirun", "-n", str(number), *mpi], "slurm": ["srun", "-n", str(number)]}[args.cluster]
        running.append(subprocess.Popen([*words, *command], env=os.environ | mine))
start("worker", args.num_workers, 0)
start("server", args.num_servers, args.num_workers)
sys.exit(max(each.wait() for each in running))
"""
# torchrun on one host: what it sets, by torch's source (torch/distributed/elastic/agent/server/local_elastic_agent.py).
TORCHRUN = """#!/usr/bin/env python3
import argparse, os, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("--nproc-per-node", type=int)
parser.add_argument("--no-python", action="store_true")
args, command = parser.parse_known_args()
count = str(args.nproc_per_node)
common = {"LOCAL_WORLD_SIZE": count, "WORLD_SIZE": count, "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}
common |= {"MASTER_ADDR": "localhost", "MASTER_PORT": os.environ.pop("TRACKER_PORT")}
running = [
    subprocess.Popen(command, env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    for rank in range(args.nproc_per_node)
]
sys.exit(max(each.wait() for each in running))
"""

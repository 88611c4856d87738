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
# The same training, by a job that something interrupts: in the first of its lives it comes to step 8 and no further. A
# snapshot of one of the first six steps is there by then, or appears without another step.
INTERRUPTED = """
import os, pathlib, signal, time
def halt(param):
    halted, snapshots = f"halted-{mx.rank()}", pathlib.Path(os.environ["PUSHGRAD_SNAPSHOT_DIR"])
    if (param.epoch, param.nbatch) == (1, 4) and not os.path.exists(halted):
        open(halted, "w").close()
        while not any(snapshots.glob("0*")):
            time.sleep(0.01)
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
print(f"sum {out} of {store.num_workers}", flush=True)
"""
# What dmlc-core's tracker does (dmlc_tracker/tracker.py and the modules beside it by name of the cluster): it starts
# the scheduler itself, and by the same command the others.
TRACKER = """#!/usr/bin/env python3
import argparse, os, subprocess, sys
parser = argparse.ArgumentParser()
parser.add_argument("--cluster")
parser.add_argument("--num-workers", type=int)
parser.add_argument("--num-servers", type=int)
parser.add_argument("--host-file")
args, command = parser.parse_known_args()
command, running = " ".join(command), []
envs = {"DMLC_NUM_WORKER": args.num_workers, "DMLC_NUM_SERVER": args.num_servers}
envs |= {"DMLC_PS_ROOT_URI": os.environ.pop("TRACKER_HOST", "127.0.0.1")}
envs |= {"DMLC_PS_ROOT_PORT": os.environ.pop("TRACKER_PORT", "9091")}
def start(line, **more):
    env = {name: str(value) for name, value in more.items()}
    running.append(subprocess.Popen(line, shell=True, env=os.environ | env))
def roles(*order):
    number = {"worker": args.num_workers, "server": args.num_servers}
    return enumerate(role for role in order for _ in range(number[role]))
start(command, **envs, DMLC_ROLE="scheduler")
if args.cluster in ("local", "yarn"):
    for task, role in roles("worker", "server"):
        more = {"DMLC_NODE_HOST": envs["DMLC_PS_ROOT_URI"], "DMLC_NUM_ATTEMPT": 0} if args.cluster == "yarn" else {}
        start(command, **envs, **more, DMLC_JOB_CLUSTER=args.cluster, DMLC_TASK_ID=task, DMLC_ROLE=role)
elif args.cluster == "ssh":
    hosts = open(args.host_file).read().split()
    for task, role in roles("server", "worker"):
        envs |= {"DMLC_ROLE": role, "DMLC_NODE_HOST": hosts[task % len(hosts)]}
        words = " ".join(f"export {name}={value};" for name, value in envs.items())
        start(f"ssh -o StrictHostKeyChecking=no {envs['DMLC_NODE_HOST']} -p 22 '{words} cd {os.getcwd()}; {command}'")
elif args.cluster == "sge":
    with open("rundmlc.sh", "w") as file:
        file.write('export DMLC_TASK_ID=${SGE_TASK_ID}\\nexport DMLC_JOB_CLUSTER=sge\\n"$@"\\n')
    words = ",".join(f'{name}="{value}"' for name, value in envs.items())
    tasks = args.num_workers + args.num_servers
    start(f"qsub -cwd -t 1-{tasks} -S /bin/bash -v {words},PATH=${{PATH}}:. rundmlc.sh {command}")
else:
    envs["DMLC_JOB_CLUSTER"] = args.cluster
    for role, number in (("worker", args.num_workers), ("server", args.num_servers)):
        mpi = " ".join(f"-x {name}={value}" for name, value in {**envs, "DMLC_ROLE": role}.items())
        words = {"mpi": f"mpirun -n {number} {mpi}", "slurm": f"srun -n {number}"}[args.cluster]
        start(f"{words} {command}", **envs, DMLC_ROLE=role)
sys.exit(max(each.wait() for each in running))
"""
# What Sun Grid Engine does with the tracker's line: tasks of an array, with nothing else in their environment.
QSUB = """#!/usr/bin/env python3
import subprocess, sys
words = sys.argv[1:]
tasks = int(words[words.index("-t") + 1].partition("-")[2])
env = dict(word.split("=", 1) for word in words[words.index("-v") + 1].split(","))
command = ["/bin/bash", *words[words.index("rundmlc.sh"):]]
running = [subprocess.Popen(command, env=env | {"SGE_TASK_ID": str(task)}) for task in range(1, tasks + 1)]
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

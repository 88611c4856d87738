"""Writes docs/images/scale.png: what docs/scale.md's model says of jobs with up to 1 000 workers."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from pushgrad.launch.exchange_time import ExchangeModel, parse_rate

PARAMETERS = 4 * 100e6  # bytes: 100 M of float32
LINKS = ("1Gb", "10Gb", "25Gb", "100Gb")
WORKERS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]


def main() -> None:
    """Draw both curves."""
    figure, (servers, seconds) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for link in LINKS:
        jobs = [ExchangeModel(workers, 1, PARAMETERS, parse_rate(link), 1e-4).enough_servers() for workers in WORKERS]
        servers.plot(WORKERS, [job.servers for job in jobs], marker="o", markersize=3, label=f"{link[:-2]} Gbit/s")
        seconds.plot(WORKERS, [job.seconds for job in jobs], marker="o", markersize=3, label=f"{link[:-2]} Gbit/s")
    servers.set(title="Servers that a job needs", xlabel="workers", ylabel="servers", xscale="log", yscale="log")
    seconds.set(title="A step's exchange with those", xlabel="workers", ylabel="seconds", xscale="log", yscale="log")
    for axes in (servers, seconds):
        axes.grid(alpha=0.3)
    servers.legend(frameon=False, title="100 M parameters, links of")
    figure.savefig(Path(__file__).parent / "images" / "scale.png", dpi=110)


if __name__ == "__main__":
    main()

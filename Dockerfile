# pushgrad and its examples, run by a user without privileges. docker-compose.yml starts a job with it.
FROM python:3.11-slim

# An empty volume takes owner and mode of the folder that it covers. The keys' folder must be closed to others, and the
# compiled kernels need a place that can be written.
RUN useradd --uid 10001 --create-home pushgrad \
    && install --directory --owner=pushgrad --group=pushgrad --mode=0700 /var/lib/pushgrad/keys /var/cache/pushgrad

COPY . /opt/pushgrad
RUN pip install --no-cache-dir /opt/pushgrad

# There is no HEALTHCHECK: the scheduler hears of each process every few seconds and ends the job if one falls silent.
ENV NUMBA_CACHE_DIR=/var/cache/pushgrad PYTHONUNBUFFERED=1
USER pushgrad
WORKDIR /home/pushgrad
COPY --chown=pushgrad:pushgrad examples examples

# pushgrad and its examples, run by a user without privileges. docker-compose.yml starts a job with it, and so does
# `launch --cluster kubernetes`. For GPUs: --build-arg EXTRAS=[cuda13]
FROM python:3.11-slim AS build
ARG EXTRAS=""
COPY . /source
RUN python -m venv /opt/pushgrad \
    && /opt/pushgrad/bin/pip install --no-cache-dir "/source$EXTRAS" \
    && /opt/pushgrad/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim

# An empty volume takes owner and mode of the folder that it covers. The keys' folder must be closed to others, and the
# compiled kernels need a place that can be written.
RUN pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && useradd --uid 10001 --create-home pushgrad \
    && install --directory --owner=pushgrad --group=pushgrad --mode=0700 /var/lib/pushgrad/keys /var/cache/pushgrad
COPY --from=build /opt/pushgrad /opt/pushgrad
ENV PATH=/opt/pushgrad/bin:$PATH NUMBA_CACHE_DIR=/var/cache/pushgrad PYTHONUNBUFFERED=1

# There is no HEALTHCHECK: only the scheduler listens at a port that is known (docker-compose.yml asks there). It hears
# of each other process every few seconds, and ends the job if one falls silent.

# By number: Kubernetes cannot tell of a name that it is not root's.
USER 10001
WORKDIR /home/pushgrad
COPY --chown=10001 examples examples

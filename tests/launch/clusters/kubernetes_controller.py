"""Stand-ins for what makes pods of Jobs and JobSets: their controllers, as far as `launch --cluster kubernetes` goes.

Names, host names, labels and annotations are those that Kubernetes and JobSet give:
https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode, https://jobset.sigs.k8s.io/docs/concepts/
"""

import copy

INDEX = "batch.kubernetes.io/job-completion-index"


def jobs_of(item):
    """The Jobs that JobSet makes of an object, or that it is itself."""
    if item["kind"] == "Job":
        return [item]
    if item["kind"] != "JobSet":
        return []
    return [
        {
            **copy.deepcopy(each["template"]),
            "kind": "Job",
            "metadata": {"name": f"{item['metadata']['name']}-{each['name']}-0"},
        }
        for each in item["spec"]["replicatedJobs"]
    ]


def pods_of(item):
    """The pods of a Job or JobSet, in the order of their indices; each knows its host name and subdomain."""
    subdomain = {"subdomain": item["metadata"]["name"]} if item["kind"] == "JobSet" else {}
    for job in jobs_of(item):
        for index in range(job["spec"]["completions"]):
            template = copy.deepcopy(job["spec"]["template"])
            host = f"{job['metadata']['name']}-{index}"
            yield {
                "kind": "Pod",
                "metadata": {
                    "name": f"{host}-x7k2p",
                    "labels": template["metadata"]["labels"],
                    "annotations": {INDEX: str(index)},
                },
                "spec": {**subdomain, **template["spec"], "hostname": host},
                "status": {"phase": "Pending"},
            }


def with_state(pod, state, phase):
    """The pod with the state of its only container."""
    role = pod["spec"]["containers"][0]["name"]
    return {**pod, "status": {"phase": phase, "containerStatuses": [{"name": role, "state": state}]}}


def succeeded(pod):
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-01T00:00:00Z"}}
    return with_state(pod, state, "Succeeded")


def complete(server):
    """Have the server's pods succeed as soon as they are created, each with a line of output."""

    def on_change(item, created):
        for pod in pods_of(item) if created else ():
            name = pod["metadata"]["name"]
            server.write(name, ("2026-01-01T00:00:00.0Z", f"{name} is done"), over=True)
            server.put(succeeded(pod))

    server.on_change = on_change

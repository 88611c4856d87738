"""Writes kubernetes.json: of the schemas of Kubernetes' API what the manifests of `launch --cluster kubernetes` need.

    python record.py jobset.x-k8s.io_jobsets.yaml

in an environment with the package kubernetes-validate, which has the API's schemas (strict: no unknown fields); the
file is JobSet's CRD (config/components/crd/bases in its sources, here of v0.12). Both are under the Apache License 2.0;
descriptions are left out. A definition is kept once for the versions that agree on it, as [versions, schema].
"""

import json
import sys
from pathlib import Path

import kubernetes_validate
import yaml

VERSIONS = ("1.35", "1.36", "1.37")
KINDS = ("job-batch-v1", "service-v1", "secret-v1")
JOB = "io.k8s.api.batch.v1.JobSpec"


def bare(schema, of_names=False):
    """A schema without texts and extensions, its references to its own definitions."""
    if isinstance(schema, list):
        return [bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: bare(value, of_names=key == "properties")
        for key, value in schema.items()
        if of_names or not (key in ("description", "default", "$schema", "$id") or key.startswith("x-kubernetes"))
    }
    if not of_names and isinstance(kept.get("$ref"), str):
        kept["$ref"] = f"#/$defs/{kept['$ref'].rpartition('/')[2]}"
    return kept


def references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].rpartition("/")[2]
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else []:
        yield from references(each)


def definitions(version):
    """What describes KINDS, by name, and all that they lead to."""
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    known = json.loads((folder / "_definitions.json").read_text())["$defs"]
    found = {kind: bare(json.loads((folder / f"{kind}.json").read_text())) for kind in KINDS}
    new = [name for schema in found.values() for name in references(schema)]
    while new:
        name = new.pop()
        if name not in found:
            found[name] = bare(known[name])
            new += references(found[name])
    return found


def closed(schema):
    """A CRD's schema, in which unknown fields are errors as for the API with fieldValidation=Strict."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else made


def jobset(crd):
    """JobSet's own part; a Job within it is the API's."""
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    template = schema["properties"]["spec"]["properties"]["replicatedJobs"]["items"]["properties"]["template"]
    template["properties"]["spec"] = {}
    template["properties"]["metadata"] = schema["properties"]["metadata"] = {}
    del schema["properties"]["status"]
    made = closed(bare(schema))
    made["properties"]["spec"]["properties"]["replicatedJobs"]["items"]["properties"]["template"] = {
        "properties": {
            "spec": {"$ref": f"#/$defs/{JOB}"},
            "metadata": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        },
        "additionalProperties": False,
    }
    return made


def main():
    by_name = {}
    for version in VERSIONS:
        for name, schema in definitions(version).items():
            kept = by_name.setdefault(name, [])
            alike = next((each for each in kept if each[1] == schema), None)
            if alike is None:
                kept.append([[version], schema])
            else:
                alike[0].append(version)
    by_name["jobset"] = [[list(VERSIONS), jobset(yaml.safe_load(Path(sys.argv[1]).read_text()))]]
    lines = [f"{json.dumps(name)}: {json.dumps(kept, sort_keys=True)}" for name, kept in sorted(by_name.items())]
    Path(__file__).with_name("kubernetes.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

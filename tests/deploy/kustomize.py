"""What `kubectl kustomize` makes of a folder, for as much of it as launch/kubernetes uses; another key is an error. Where
kubectl is at hand, test_kubernetes.py compares the two."""
import copy
import hashlib
import json

import yaml

KEYS = {"apiVersion", "kind", "namespace", "resources", "components", "images", "configMapGenerator", "patches"}
# What entries of these lists are told apart by, in strategic merges; other lists are replaced.
LIST_KEYS = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath", "ports": "containerPort"}
CLUSTER_WIDE = {"Namespace"}


def render(folder):
    """Its resources, in order."""
    found = resources_of(folder, [])
    digests(found)
    return found


def resources_of(folder, found):
    """With names as they are written. found: what there is already, where the folder is a component."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(kustomization) <= KEYS, f"{folder}: {set(kustomization) - KEYS}"
    for name in kustomization.get("resources", []):
        path = folder / name
        found += resources_of(path, []) if path.is_dir() else [each for each in yaml.safe_load_all(path.read_text()) if each]
    for name in kustomization.get("components", []):
        found = resources_of(folder / name, found)
    identities = [identity(each) for each in found]
    assert len(set(identities)) == len(identities), identities
    for generator in kustomization.get("configMapGenerator", []):
        generate(found, generator, folder)
    for patch in kustomization.get("patches", []):
        apply(found, patch, folder)
    for image in kustomization.get("images", []):
        set_image(found, image)
    if namespace := kustomization.get("namespace"):
        for each in found:
            if each["kind"] not in CLUSTER_WIDE:
                each["metadata"]["namespace"] = namespace
    return found


def identity(resource):
    return resource["kind"], resource["metadata"]["name"]


def generate(found, generator, folder):
    assert set(generator) <= {"name", "files", "behavior"}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]},
            "data": {name: (folder / name).read_text() for name in generator["files"]}}
    there = [each for each in found if identity(each) == identity(made)]
    assert len(there) == (generator.get("behavior", "create") == "replace")
    if there:
        there[0]["data"] = made["data"]
    else:
        found.append(made)


def digests(found):
    """Names of configuration maps end with one of their text, also where they are referred to."""
    new_names = {}
    for each in found:
        if each["kind"] == "ConfigMap":
            old = each["metadata"]["name"]
            text = json.dumps({"data": each["data"], "kind": "ConfigMap", "name": ""}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            for character in "<>&":
                text = text.replace(character, f"\\u{ord(character):04x}")
            digest = hashlib.sha256(text.encode()).hexdigest()[:10].translate(str.maketrans("013ae", "ghkmt"))
            new_names[old] = each["metadata"]["name"] = f"{old}-{digest}"
    for each in found:
        for volume in pod_of(each).get("volumes", []):
            if "configMap" in volume:
                volume["configMap"]["name"] = new_names[volume["configMap"]["name"]]


def pod_of(resource):
    return resource.get("spec", {}).get("template", {}).get("spec", {})


def set_image(found, image):
    for each in found:
        for container in pod_of(each).get("initContainers", []) + pod_of(each).get("containers", []):
            if container["image"] == image["name"]:
                container["image"] += ":" + image["newTag"]


def apply(found, patch, folder):
    content = yaml.safe_load((folder / patch["path"]).read_text() if "path" in patch else patch["patch"])
    target = patch.get("target") or dict(zip(["kind", "name"], identity(content)))
    assert set(target) <= {"kind", "name", "labelSelector"}
    chosen = [each for each in found if is_target(each, target)]
    assert chosen, f"{folder}: nothing to patch: {target}"
    for each in chosen:
        if isinstance(content, list):
            for operation in content:
                change(each, operation)
        else:
            of_target = {key: each[key] for key in ["apiVersion", "kind"]} | {"metadata": {"name": each["metadata"]["name"]}}
            merge(each, copy.deepcopy(content) | of_target)


def is_target(resource, target):
    kind, name = identity(resource)
    label, _, value = target.get("labelSelector", "").partition("=")
    return kind in target["kind"].split("|") and target.get("name") in (None, name) and \
        (not label or resource["metadata"].get("labels", {}).get(label) == value)


def change(resource, operation):
    """JSON6902; of its operations those that are used."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    for part in parents:
        resource = resource[part]
    if operation["op"] == "add" and last == "-":
        resource.append(operation["value"])
    else:
        assert operation["op"] == "replace" and last in resource
        resource[last] = operation["value"]


def merge(into, patch):
    """Strategic: maps by key, some lists by a key of their entries."""
    if patch.pop("$patch", None) == "replace":
        into.clear()
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        elif key in LIST_KEYS and key in into:
            merge_list(into[key], value, LIST_KEYS[key])
        elif not isinstance(value, dict):
            into[key] = value
        else:
            into[key] = {}
            merge(into[key], value)


def merge_list(into, patch, key):
    for entry in patch:
        there = [each for each in into if each[key] == entry[key]]
        if entry.get("$patch") == "delete":
            assert there, entry
            into.remove(there[0])
        elif there:
            merge(there[0], entry)
        else:
            into.append(entry)

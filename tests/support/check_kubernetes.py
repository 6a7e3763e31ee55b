"""Is the manifest what it should be? No cluster is asked: its structure is checked, and its
configuration and commands are tried with the programs themselves.

    check_kubernetes.py MANIFEST BUILD
"""

import os
import subprocess
import sys
import tempfile

import yaml

SOCKET_DIRECTORY = "/run/fetchpool"


def documents_of(path):
    """Those of the manifest, and those that stand in its last comment."""
    text = open(path).read()
    commented = text[text.index("\n# ---\n"):]
    example = "\n".join(line[2:] for line in commented.splitlines() if line.startswith("# ") or line == "#")
    documents = {document["kind"]: document for document in yaml.safe_load_all(text)}
    documents.update((document["kind"], document) for document in yaml.safe_load_all(example) if document)
    return documents


def volume(pod, path):
    """The one that the first container has at `path`."""
    names = [mount["name"] for mount in pod["containers"][0]["volumeMounts"] if mount["mountPath"] == path]
    assert len(names) == 1, f"one mount at {path} is expected, not {names}"
    return next(each for each in pod["volumes"] if each["name"] == names[0])


def check_daemon(daemons):
    spec = daemons["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items(), "the selector selects other pods"
    pod = spec["template"]["spec"]
    assert volume(pod, SOCKET_DIRECTORY)["hostPath"]["path"] == SOCKET_DIRECTORY
    for container in pod["containers"] + pod["initContainers"]:
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}, container["name"]
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"]["drop"] == ["ALL"], container["name"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        command = pod["containers"][0][probe]["exec"]["command"]
        assert command[0] == "fetchpool" and command[-1] == "ping", probe
        assert pod["containers"][0][probe]["timeoutSeconds"] > int(command[2]), f"{probe} is cut off"


def check_metrics(pod, configuration):
    """Who stands behind the port must be the user who may fetch nothing."""
    metrics = next(each for each in pod["containers"] if each["name"] == "metrics")
    user = metrics["securityContext"]["runAsUser"]
    policy = configuration[configuration.index('[policy "metrics"]'):].splitlines()
    assert policy[1:3] == [f"users = {user}", "allow = none"], policy


def check_consumer(pod, daemon):
    user = daemon["securityContext"]
    owner = next(each["value"] for each in pod["containers"][0]["env"]
                 if each["name"] == "FETCHPOOL_SOCKET_OWNER")
    assert owner == str(user["runAsUser"]), "the example trusts another user's socket"
    assert user["runAsGroup"] in pod["securityContext"]["supplementalGroups"]
    assert volume(pod, SOCKET_DIRECTORY)["hostPath"]["path"] == SOCKET_DIRECTORY


def try_programs(build, daemon, configuration):
    """With the paths of a directory of ours in place of the container's."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "fetchpool.conf")
        with open(path, "w") as file:
            file.write(configuration)
        there = {"/etc/fetchpool/fetchpool.conf": path,
                 SOCKET_DIRECTORY + "/fetchpool.sock": directory + "/s"}
        container = daemon["containers"][0]
        process = subprocess.Popen([os.path.join(build, container["command"][0]),
                                    *(there.get(word, word) for word in container["command"][1:])],
                                   stderr=subprocess.PIPE, text=True)
        try:
            said = process.stderr.readline()
            assert "listening on" in said, said + process.stderr.read()
            environment = os.environ | {each["name"]: there[each["value"]] for each in container["env"]}
            command = container["livenessProbe"]["exec"]["command"]
            subprocess.run([os.path.join(build, command[0]), *command[1:]], env=environment, check=True,
                           stdout=subprocess.DEVNULL)
        finally:
            process.terminate()
            process.communicate()


def main():
    path, build = sys.argv[1:]
    documents = documents_of(path)
    check_daemon(documents["DaemonSet"])
    daemon = documents["DaemonSet"]["spec"]["template"]["spec"]
    check_consumer(documents["Pod"]["spec"], daemon)
    configuration = documents["ConfigMap"]["data"]["fetchpool.conf"]
    check_metrics(daemon, configuration)
    try_programs(build, daemon, configuration)
    print("ok: the manifest for Kubernetes, its configuration, command and probe")


main()

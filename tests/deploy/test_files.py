"""The files of deploy/ and compose.yaml: that they parse, and that they fit the programs and each
other. What runs them is scripts/test-deploy."""

import json
import pathlib
import re
import subprocess
import unittest

import yaml

import programs

ROOT = programs.ROOT
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
MANIFESTS = {
    (document["kind"], document["metadata"]["name"]): document
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document["kind"] != "Kustomization"
}
POD = MANIFESTS["StatefulSet", "vqld"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
LINE = re.compile(r"^#? ?([a-z-]+) = (.+)$", re.MULTILINE)


def flags(words):
    return {match[1] for word in words if (match := re.match(r"--([a-z0-9-]+)", str(word)))}


def labels(document):
    return document["metadata"]["labels"].items()


def selected(selector):
    """Whether the pods of vqld are what a selector means."""
    pods = MANIFESTS["StatefulSet", "vqld"]["spec"]["template"]["metadata"]["labels"].items()
    return selector.items() <= pods


class Parse(unittest.TestCase):
    def test_every_file(self):
        read = {".yaml": lambda text: list(yaml.safe_load_all(text)), ".json": json.loads}
        read[".yml"] = read[".yaml"]
        paths = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in read]
        self.assertGreater(len(paths), 10)
        for path in paths:
            with self.subTest(path.name):
                self.assertTrue(read[path.suffix](path.read_text(encoding="utf-8")))

    def test_scripts(self):
        for folder in ("deploy/docker", "deploy/redis", "deploy/debian", "scripts"):
            for path in (ROOT / folder).iterdir():
                text = path.read_text(encoding="utf-8")
                shell = re.match(r"#!/bin/(sh|bash)\n", text)
                if shell:
                    made = subprocess.run([shell[1], "-n", path], capture_output=True, text=True)
                    self.assertEqual((made.returncode, made.stderr), (0, ""), path)


class Options(unittest.TestCase):
    """Every option that is given to a program is one of its own."""

    def check_conf(self, text):
        named = dict(LINE.findall(text))
        self.assertGreater(len(named), 3)
        self.assertEqual(set(named) - programs.options("vqld"), set())
        return named

    def test_image(self):
        text = (ROOT / "Dockerfile").read_text()
        commands = [json.loads(words) for words in re.findall(r"(?m)^ *CMD (\[.*\])$", text)]
        self.assertEqual([words[0] for words in commands], ["vqlctl", "--model"])
        self.assertEqual(flags(commands[0]) - programs.options("vqlctl health"), set())
        self.assertEqual(flags(commands[1]) - programs.options("vqld"), set())

    def test_compose(self):
        for name, service in COMPOSE["services"].items():
            if name.startswith("vql"):
                program = service.get("entrypoint", ["vqld"])[0]
                with self.subTest(name):
                    self.assertEqual(flags(service["command"]) - programs.options(program), set())

    def test_configuration(self):
        named = self.check_conf((ROOT / "deploy/vqld.conf").read_text())
        # A configuration that is wrong ends vqld with 2, a folder without a model with 1.
        made = programs.run("vqld", "--config", ROOT / "deploy/vqld.conf", "--check")
        self.assertEqual(made.returncode, 1, made.stderr)
        self.assertEqual(named["store"], "rocksdb:/var/lib/vql/store")

    def test_kubernetes(self):
        self.check_conf(MANIFESTS["ConfigMap", "vqld"]["data"]["vqld.conf"])
        self.assertEqual(flags(CONTAINER["args"]) - programs.options("vqld"), set())

    def test_unit(self):
        text = (ROOT / "deploy/systemd/vqld.service").read_text()
        start = re.search(r"(?m)^ExecStart=/usr/bin/vqld (.+)$", text)[1].split()
        self.assertEqual(flags(start) - programs.options("vqld"), set())


class Compose(unittest.TestCase):
    def test_everything_is_confined(self):
        for name, service in COMPOSE["services"].items():
            with self.subTest(name):
                self.assertTrue(service["read_only"])
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertIn("memory", service["deploy"]["resources"]["limits"])
                self.assertIn("cpus", service["deploy"]["resources"]["limits"])
                for port in service.get("ports", ()):
                    self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_what_is_waited_for_is_there(self):
        services = COMPOSE["services"]
        for name, service in services.items():
            for other, how in service.get("depends_on", {}).items():
                with self.subTest(f"{name} on {other}"):
                    self.assertLessEqual(set(service["profiles"]), set(services[other]["profiles"]))
                    if how["condition"] == "service_healthy":
                        self.assertIn("test", services[other]["healthcheck"])

    def test_volumes(self):
        for name, service in COMPOSE["services"].items():
            for volume in service.get("volumes", ()):
                source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
                known = source in COMPOSE["volumes"] or pathlib.Path(ROOT, source).is_dir()
                self.assertTrue(known, f"{name}: {volume}")

    def test_prometheus_asks_every_server(self):
        text = (ROOT / "deploy/prometheus/compose.yml").read_text()
        asked, = yaml.safe_load(text)["scrape_configs"][0]["dns_sd_configs"]
        servers = {name for name, service in COMPOSE["services"].items()
                   if f"--admin=0.0.0.0:{asked['port']}" in service.get("command", ())}
        self.assertEqual(set(asked["names"]), servers)


class Kubernetes(unittest.TestCase):
    def test_the_kustomization_has_every_file(self):
        folder = ROOT / "deploy/kubernetes"
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        self.assertEqual(set(listed), there)

    def test_selectors(self):
        for kind, name in MANIFESTS:
            document = MANIFESTS[kind, name]
            with self.subTest(f"{kind} {name}"):
                if kind == "Service":
                    self.assertTrue(selected(document["spec"]["selector"]))
                elif kind in ("StatefulSet", "PodDisruptionBudget"):
                    self.assertTrue(selected(document["spec"]["selector"]["matchLabels"]))
                elif kind == "NetworkPolicy":
                    self.assertTrue(selected(document["spec"]["podSelector"]["matchLabels"]))
                elif kind == "ServiceMonitor":
                    wanted = document["spec"]["selector"]["matchLabels"].items()
                    chosen = [service for (kind_, _), service in MANIFESTS.items()
                              if kind_ == "Service" and wanted <= labels(service)]
                    self.assertEqual(len(chosen), 1)
                    ports = {port["name"] for port in chosen[0]["spec"]["ports"]}
                    self.assertIn(document["spec"]["endpoints"][0]["port"], ports)

    def test_ports(self):
        ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
        conf = dict(LINE.findall(MANIFESTS["ConfigMap", "vqld"]["data"]["vqld.conf"]))
        self.assertEqual(conf["listen"], f"0.0.0.0:{ports['grpc']}")
        self.assertEqual(conf["admin"], f"0.0.0.0:{ports['admin']}")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertIn(CONTAINER[probe]["httpGet"]["port"], ports)
        for (kind, name), document in MANIFESTS.items():
            if kind == "Service":
                for port in document["spec"]["ports"]:
                    self.assertEqual(port["port"], ports[port["targetPort"]], name)
        for rule in MANIFESTS["NetworkPolicy", "vqld"]["spec"]["ingress"]:
            for port in rule["ports"]:
                self.assertIn(port["port"], ports)

    def test_volumes(self):
        spec = MANIFESTS["StatefulSet", "vqld"]["spec"]
        there = {volume["name"] for volume in POD["volumes"]}
        there |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
        self.assertEqual({mount["name"] for mount in CONTAINER["volumeMounts"]}, there)
        for volume in POD["volumes"]:
            if "configMap" in volume:
                self.assertIn(("ConfigMap", volume["configMap"]["name"]), MANIFESTS)
            else:
                claim = volume["persistentVolumeClaim"]["claimName"]
                self.assertIn(("PersistentVolumeClaim", claim), MANIFESTS)
        self.assertIn(("Service", spec["serviceName"]), MANIFESTS)

    def test_a_stop_has_time_to_drain(self):
        conf = dict(LINE.findall(MANIFESTS["ConfigMap", "vqld"]["data"]["vqld.conf"]))
        pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
        self.assertLess(pause + int(conf["drain-ms"]) / 1000,
                        POD["terminationGracePeriodSeconds"])
        self.assertEqual(int(conf["threads"]), int(CONTAINER["resources"]["limits"]["cpu"]))


class Operations(unittest.TestCase):
    def test_every_alert_has_its_section(self):
        rules = yaml.safe_load((ROOT / "deploy/prometheus/vqld.rules.yml").read_text())
        alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]
                  if "alert" in rule}
        text = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
        sections = re.findall(r"(?m)^### (\w+)$", text.partition("## Alerts")[2])
        self.assertEqual(sorted(sections), sorted(alerts))
        for anchor in re.findall(r"\(#(\w+)\)", text):
            self.assertIn(anchor, map(str.lower, sections))

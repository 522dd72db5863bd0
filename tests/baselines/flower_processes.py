"""Starts Flower's real processes on this machine: SuperLink, SuperNodes, and a run.

python -m tests.baselines.flower_processes simulation CONFIG OUT
python -m tests.baselines.flower_processes deployment CONFIG OUT
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "baselines" / "flower"
PATIENCE_S = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificates(folder: Path) -> dict[str, Path]:
    """Make a certificate authority and a certificate of it for this machine."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def certificate(subject, key, issuer, issuer_key, ca):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if not ca:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            names = x509.SubjectAlternativeName([x509.DNSName("localhost"), address])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate("test authority", authority, "test authority", authority, True)
    leaf = certificate("localhost", server, "test authority", authority, False)
    paths = {part: folder / f"{part}.pem" for part in ("ca", "certificate", "key")}
    pem = serialization.Encoding.PEM
    paths["ca"].write_bytes(root.public_bytes(pem))
    paths["certificate"].write_bytes(leaf.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    paths["key"].write_bytes(server.private_bytes(pem, form, serialization.NoEncryption()))
    return paths


class Flower:
    """Flower's processes with a home, ports and logs of their own."""

    def __init__(self, work: Path) -> None:
        self.work = work
        (work / "home").mkdir()
        self.logs: list[Path] = []
        self._processes: list[subprocess.Popen] = []
        scripts = Path(sys.executable).parent
        self.environment = {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FLWR_HOME": str(work / "home"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def start(self, *command: object) -> subprocess.Popen:
        log = self.work / f"{len(self.logs)}-{command[0]}.log"
        self.logs.append(log)
        with open(log, "wb") as stream:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=self.environment,
                cwd=self.work,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def wait_for_port(self, port: int) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"nothing listens on port {port}\n{self.tails()}")

    def run(self, connection: dict, config: Path, out: Path, *options: str) -> None:
        """Submit the app and wait until it is finished."""
        lines = [f"{key} = {json.dumps(value)}" for key, value in connection.items()]
        home = self.work / "home" / "config.toml"
        home.write_text("[superlink]\ndefault = 'here'\n[superlink.here]\n" + "\n".join(lines))
        settings = f'config="{config}" out="{out}"'
        done = subprocess.run(
            ["flwr", "run", str(APP), "here", "--stream", "--run-config", settings, *options],
            env=self.environment,
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        (self.work / "run.log").write_text(done.stdout + done.stderr)
        self.logs.append(self.work / "run.log")
        if done.returncode:
            raise RuntimeError(self.tails())

    def tails(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- {log.name}\n{log.read_text()[-4000:]}" for log in self.logs)

    def stop(self) -> None:
        """End what was started here, and nothing else."""
        for process in reversed(self._processes):
            try:
                os.killpg(process.pid, 15)
            except ProcessLookupError:
                continue
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


@contextmanager
def flower():
    work = Path(tempfile.mkdtemp(prefix="flower-"))
    made = Flower(work)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(work, ignore_errors=True)


def simulate(config: Path, out: Path, nodes: int = 3) -> None:
    """Run on nodes that Flower simulates in parallel processes."""
    with flower() as made:
        port = free_port()
        made.start(
            "flower-superlink",
            *("--insecure", "--simulation", "--host", "127.0.0.1", "--port", port),
            "--disable-runtime-dependency-installation",
        )
        made.wait_for_port(port)
        made.run(
            {"address": f"127.0.0.1:{port}", "insecure": True},
            config,
            out,
            "--federation-config",
            f"num-supernodes={nodes} client-resources-num-cpus=1 init-args-num-cpus=2",
        )


def deploy(config: Path, out: Path, serves: tuple[str, ...] = ("0-4", "5-9")) -> None:
    """Run on SuperNodes in processes of their own, over TLS."""
    with flower() as made:
        tls = make_certificates(made.work)
        port = free_port()
        files = ("--ssl-ca-certfile", tls["ca"], "--ssl-certfile", tls["certificate"])
        made.start(
            "flower-superlink",
            *(*files, "--ssl-keyfile", tls["key"], "--host", "127.0.0.1", "--port", port),
            "--disable-runtime-dependency-installation",
        )
        made.wait_for_port(port)
        for clients in serves:
            made.start(
                "flower-supernode",
                *("--root-certificates", tls["ca"], "--superlink", f"127.0.0.1:{port}"),
                *(*files, "--ssl-keyfile", tls["key"]),
                *("--host", "127.0.0.1", "--port", free_port()),
                *("--node-config", f'clients="{clients}"'),
            )
        made.run(
            {"address": f"127.0.0.1:{port}", "root-certificates": str(tls["ca"])},
            config,
            out,
            "--run-config",
            f"min-nodes={len(serves)}",
        )


if __name__ == "__main__":
    {"simulation": simulate, "deployment": deploy}[sys.argv[1]](
        Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    )

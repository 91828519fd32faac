"""One Apache Kafka broker that is its own controller (KRaft), from Maven Central's jars. Topics are made by who uses them."""
import base64
import hashlib
import os
import shutil
import socket
import struct
import uuid

from .base import BUILD, HERE, Failed, Part, locked, run, say


class Kafka(Part):
    name = "kafka"
    ports = {"kafka": "MIMAMORI_KAFKA_PORT", "kafka_controller": "MIMAMORI_KAFKA_PORT (the controller has the one above it)"}
    start_seconds = 90

    def data(self):
        return self.folder / "data"

    def properties(self):
        broker, controller = self.port["kafka"], self.port["kafka_controller"]
        advertised = os.environ.get("MIMAMORI_KAFKA_ADVERTISED_PORT") or broker  # of a proxy before it, where tests break the way
        return "\n".join([
            "process.roles=broker,controller", "node.id=1", f"controller.quorum.voters=1@127.0.0.1:{controller}",
            f"listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}",
            "controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            f"log.dirs={self.data()}", "auto.create.topics.enable=false", "offsets.topic.replication.factor=1",
            "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "min.insync.replicas=1",
            "group.initial.rebalance.delay.ms=0", "num.network.threads=2", "num.io.threads=4", "log.retention.hours=336",
            "log.segment.bytes=134217728", "message.max.bytes=4194304", "replica.fetch.max.bytes=4194304", ""])

    def prepare(self):
        jars = fetch_jars()
        self.folder.mkdir(exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text(self.properties())
        java = ["java", "-Xmx384m", "-Xms128m", "-XX:+UseG1GC", f"-Dlog4j2.configurationFile={HERE / 'kafka' / 'log4j2.properties'}",
                f"-Dmimamori.stack={self.folder}", "-cp", f"{jars}/*"]
        if not (self.data() / "meta.properties").exists():
            run([*java, "kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(properties)], "formatting Kafka's storage", cwd="/")
        return [*java, "kafka.Kafka", str(properties)], {}

    def marker(self):
        return f"\0-Dmimamori.stack={self.folder}\0"

    def complaint(self):
        """Asks for metadata (key 3, version 1, no topics): a broker that serves lists itself and a controller."""
        request = struct.pack(">hhih5si", 3, 1, 1, 5, b"stack", 0)
        try:
            with socket.create_connection(("127.0.0.1", self.port["kafka"]), timeout=3) as link:
                link.sendall(struct.pack(">i", len(request)) + request)
                answer = link.makefile("rb")
                size, _, brokers = struct.unpack(">iii", answer.read(12))
                rest = answer.read(size - 8)
        except (OSError, struct.error) as error:
            return f"port {self.port['kafka']} does not answer: {error}"
        controller = struct.unpack(">i", rest[-8:-4])[0]  # before the empty list of topics
        return None if brokers >= 1 and controller >= 0 else "the broker has not joined its own cluster yet"

    def wipe(self):
        if self.pid():
            raise Failed("kafka is running: stop or kill it first (stack kill --only kafka)")
        shutil.rmtree(self.data(), ignore_errors=True)
        say("kafka's data is gone; the next start formats a new cluster")

    def environment(self):
        return {"MIMAMORI_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.port['kafka']}"}


def cluster_id():
    """A random id in Kafka's notation. The first bit is 0: the tool takes an id that begins with "-" for an option."""
    value = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([value[0] & 0x7F]) + value[1:]).decode().rstrip("=")


def fetch_jars():
    """The folder with the jars that kafka/pom.xml names; fetched once, shared by all stacks of this checkout."""
    pom = HERE / "kafka" / "pom.xml"
    jars, wanted = BUILD / "kafka-jars", hashlib.sha256(pom.read_bytes()).hexdigest()
    with locked(BUILD / "kafka-jars.lock"):
        done = jars / ".complete"
        if not done.exists() or done.read_text() != wanted:
            say("kafka: fetching Apache Kafka with maven (43 MB)")
            shutil.rmtree(jars, ignore_errors=True)
            run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"],
                "fetching Kafka's jars with maven", cwd="/")
            done.write_text(wanted)
    return jars

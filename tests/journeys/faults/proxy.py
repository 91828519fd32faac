"""A TCP proxy with faults, one link for each way between two parts. A link passes, delays, throttles, holds everything back
(half-open: nothing arrives and nobody is told), or is cut in the middle of what it carries. Not a protocol's proxy: it sees bytes, and
knows but one message, PostgreSQL's commit, so that a database can be lost just before it."""
import asyncio
import socket
import struct
import threading

PIECE = 16384
COMMIT = b"commit\0"  # the end of that message


class Link:
    """From a port of ours to a port on loopback. Set its fields from any thread; they count from the next piece on."""

    def __init__(self, name, port, target):
        self.name, self.port, self.target = name, port, target
        self.delay_s = 0.0
        self.bytes_per_s = 0  # 0: as fast as it goes
        self.held = False  # half-open
        self.cut_next = False  # forward half of the next piece, then end that connection
        self.hold_commit_over = 0  # hold back the next commit of a transaction that carried more bytes than this; 0: none
        self.commit_held = False  # and it is
        self.connections = set()  # pairs of writers

    def heal(self):
        self.delay_s, self.bytes_per_s, self.held, self.cut_next = 0.0, 0, False, False
        self.hold_commit_over, self.commit_held = 0, False

    def state(self):
        return f"{self.name}: {len(self.connections)} connections, delay {self.delay_s}, {self.bytes_per_s} B/s, held {self.held}"


def abort(writer):
    """Ends a connection with a reset, as a machine that has forgotten it does."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


class Proxy:
    """All links on one event loop in a thread of its own."""

    def __init__(self):
        self.links = {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="proxy", daemon=True)
        self.thread.start()

    def add(self, name, port, target):
        link = self.links[name] = Link(name, port, target)
        serving = asyncio.start_server(lambda r, w: self.serve(link, r, w), "127.0.0.1", port, limit=PIECE)
        asyncio.run_coroutine_threadsafe(serving, self.loop).result(10)
        return link

    def cut(self, link):
        """All connections of a link at once."""
        self.loop.call_soon_threadsafe(lambda: [abort(writer) for pair in list(link.connections) for writer in pair])

    def heal_all(self):
        for link in self.links.values():
            link.heal()

    def stop(self):
        for link in self.links.values():
            self.cut(link)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def serve(self, link, reader, writer):
        while link.held:
            await asyncio.sleep(0.02)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", link.target, limit=PIECE)
        except OSError:
            abort(writer)
            return
        pair = (writer, far_writer)
        link.connections.add(pair)
        try:
            await asyncio.gather(self.carry(link, reader, far_writer, pair), self.carry(link, far_reader, writer, pair))
        finally:
            link.connections.discard(pair)
            for end in pair:
                end.close()

    async def carry(self, link, reader, writer, pair):
        since_commit = 0
        try:
            while piece := await reader.read(PIECE):
                since_commit += len(piece)
                if link.delay_s:
                    await asyncio.sleep(link.delay_s)
                if link.bytes_per_s:
                    await asyncio.sleep(len(piece) / link.bytes_per_s)
                while link.held:
                    await asyncio.sleep(0.02)
                if piece.endswith(COMMIT):
                    if 0 < link.hold_commit_over < since_commit:
                        link.hold_commit_over, link.commit_held = 0, True
                        while link.commit_held:
                            await asyncio.sleep(0.02)
                    since_commit = 0
                if link.cut_next and len(piece) > 1:
                    link.cut_next = False
                    writer.write(piece[:len(piece) // 2])
                    await writer.drain()
                    break
                writer.write(piece)
                await writer.drain()
            else:
                writer.write_eof()  # one direction may end before the other
                return
        except (OSError, RuntimeError):
            pass
        for end in pair:
            abort(end)

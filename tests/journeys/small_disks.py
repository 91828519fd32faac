"""Disks of a few megabytes that are really full when they are full: tmpfs mounts that only a test and its children see. Works for
root and, through a user namespace, for everybody else. Knows nothing of what is kept on them."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

FOLDER = "TEST_DISKS"  # environment variable: where the disks are mounted, in the program that runs among them
MOUNT = 'folder=$1; shift; while [ "$1" != -- ]; do mkdir -m 755 "$folder/${1%%:*}"; mount -t tmpfs -o "size=${1##*:},mode=755" disk "$folder/${1%%:*}" || exit 71; shift; done; shift; exec "$@"'
NOT_ALLOWED = 71


def namespace(command):
    """The command, run where mounts are its own; an ordinary user is itself again after them."""
    if os.getuid() == 0:
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", *command]
    at = command.index("--") + 1
    itself = ["unshare", "--user", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}"]
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", *command[:at], *itself, *command[at:]]


def run_among(disks, skipped_status):
    """Runs this program again with the disks {name: "64m"} and ends with its status. Returns at once in the program so run.
    Where the system allows no mounts the status is `skipped_status`, and the reason is printed."""
    if FOLDER in os.environ:
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mimamori-disks-", dir="/var/tmp"))
    folder.chmod(0o755)
    sizes = [f"{name}:{size}" for name, size in disks.items()]
    try:
        tried = subprocess.run(namespace([str(folder), *sizes, "--", "true"]), capture_output=True, text=True)
        if tried.returncode != 0:
            print(f"skipped: this system lets {'root' if os.getuid() == 0 else 'users'} mount nothing of their own: {tried.stderr.strip()}")
            sys.exit(skipped_status)
        empty(folder)
        program = [sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]]
        done = subprocess.run(namespace([str(folder), *sizes, "--", *program]), env=dict(os.environ, **{FOLDER: str(folder)}))
        sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def empty(folder):
    for entry in folder.iterdir():
        entry.rmdir()  # a mount point; its disk went with the namespace


class SmallDisk:
    def __init__(self, name):
        self.folder = pathlib.Path(os.environ[FOLDER]) / name
        self.ballast = self.folder / "ballast"

    def fill(self):
        """To the last byte: whoever writes now is told that no space is left."""
        with open(self.ballast, "ab", buffering=0) as out:
            for piece in (1 << 20, 4096):
                try:
                    while True:
                        out.write(bytes(piece))
                except OSError:
                    pass
        if os.statvfs(self.folder).f_bavail != 0:
            raise OSError(f"{self.folder} has room after it was filled")

    def make_room(self):
        self.ballast.unlink()

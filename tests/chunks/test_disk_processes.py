"""Two processes on one cache folder, and a third that is killed: every read is right, or asks the server."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from cachefakes import PlainServer

from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import DiskCache

KEYS = [f"c/{number}" for number in range(12)]

# Each process has a server of its own that gives other values than those of the others; a value says whose it is, and
# is as long as it says.
WORKER = """
import asyncio, random, sys
from brickstream.chunks.cache.cached import CachedReader
from brickstream.chunks.cache.disk import DiskCache

me, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
dice = random.Random(me)

class Server:
    url = "https://host/image"

    async def read(self, key, span=None, started=None):
        length = dice.randrange(1, 30_000)
        text = f"{me} {key} {length} ".encode()
        return (text * (length // len(text) + 1))[: max(length, len(text))]

def is_right(key, value):
    name, found, length, _ = value.split(b" ", 3)
    text = b" ".join((name, found, length)) + b" "
    whole = (text * (int(length) // len(text) + 1))[: max(int(length), len(text))]
    return found.decode() == key and value == whole

async def main():
    number = 0
    while number < rounds or not rounds:
        async with DiskCache(folder, max_bytes=200_000, max_age_s=1e9) as cache:
            reader = CachedReader(Server(), cache, "https://host/image")
            for _ in range(40):
                number += 1
                key = f"c/{dice.randrange(12)}"
                value = await reader.read(key)
                assert is_right(key, value), (key, value[:60], len(value))
                if dice.random() < 0.2:
                    # Another document: everything is kept under other names from now on, and back again.
                    reader._learn("zarr.json", dice.choice([b"1", b"2"]))
            assert cache.is_on and cache.counters.damaged == 0, cache.counters
        print(cache.counters.hits, cache.counters.evicted, flush=True)

asyncio.run(main())
"""


def begin(me: str, folder: Path, rounds: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-c", WORKER, me, str(folder), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_share_a_folder_never_read_what_nobody_has_written(tmp_path: Path) -> None:
    with begin("killed", tmp_path, 0) as third:
        try:
            assert third.stdout is not None
            workers = [begin(me, tmp_path, 800) for me in ("one", "two")]
            third.stdout.readline()
            third.send_signal(signal.SIGKILL)
            answers = [worker.communicate() for worker in workers]
        finally:
            third.kill()
    for worker, (_, errors) in zip(workers, answers, strict=True):
        assert worker.returncode == 0, errors
    counted = [line.split() for out, _ in answers for line in out.splitlines()]
    assert sum(int(hits) for hits, _ in counted) > 0
    assert sum(int(evicted) for _, evicted in counted) > 0
    names = asyncio.run(whose(tmp_path))
    assert names & {"one", "two"}


async def whose(folder: Path) -> set[str]:
    """Who wrote what is in a cache now."""
    server = PlainServer(dict.fromkeys(KEYS, b"nobody"))
    found = set()
    async with DiskCache(folder, max_age_s=1e9) as cache:
        await cache.settled()
        for document in (b"1", b"2"):
            reader = CachedReader(server, cache, "https://host/image")
            reader._learn("zarr.json", document)
            found |= {(await reader.read(key) or b"").split(b" ")[0].decode() for key in KEYS}
    return found

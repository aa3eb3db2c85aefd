"""The audio's part of the composition root: the media reader, and the recorder it attends to."""

import fcntl
import logging
import subprocess
import sys
import time

from fsctl import app, logs
from fsctl.backoff import Backoff
from fsctl.config import Config, Node

log = logging.getLogger(__name__)


def media(config: Config, name: str | None) -> int:
    """The media reader of one node."""
    import gevent

    from fsctl.media import memory, silero
    from fsctl.media.planner import Planner
    from fsctl.media.spool import Spool
    from fsctl.store.recordings import Recordings
    from fsctl.store.transcripts import Transcripts

    node = app.node_named(config, name)
    app.require_readable(node.spool)
    memory.keep_large_blocks_apart()
    silero.prepare()
    app.await_database(config)
    with (
        app.database(config, "media") as opened,
        # What the reader stores it can cut again, and does so after every session.
        app.database(config, "media cuts", one_session=True) as session,
    ):
        recordings, cuts = Recordings(opened, node.name), Recordings(session, node.name)
        planner = Planner(node, Transcripts(opened), final=config.transcribe.has_final)
        runs = [
            Spool(node, config.media, cuts, redact=config.policy.redaction_of_unknown()).run,
            planner.run,
            lambda: _attend_recorder(config, node),
        ]
        if config.websocket.listen:
            from fsctl.media.websocket import Forks
            from fsctl.store.alarms import Alarms

            runs.append(Forks(node, config.websocket, recordings, Alarms(opened, node.name)).run)
        greenlets = [gevent.spawn(run) for run in runs]
        app.on_signal(lambda: gevent.killall(greenlets, block=False))
        for ended in gevent.iwait(greenlets):
            ended.get()
            break
        gevent.killall(greenlets)
    return 0


def _attend_recorder(config: Config, node: Node) -> None:
    """The recorder of this node: a child that goes when we go, and is started again when it dies."""
    import gevent

    from fsctl.supervisor import die_with_parent

    settings = ["--config", config.source] if config.source.endswith(".toml") else []
    backoff = Backoff(first_s=0.5, most_s=30.0)
    while True:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fsctl",
                *settings,
                "archive",
                "--node",
                node.name,
                *logs.arguments(config.log),
            ],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        try:
            code = child.wait()
        finally:
            child.terminate()
            child.wait()
        log.error("the recorder ended (%s); starting it again", code)
        gevent.sleep(backoff.next_s())


def archive(config: Config, name: str | None) -> int:
    """The recorder of one node: plain Python, no gevent."""
    from fsctl.media.archive import Folder, open_archive
    from fsctl.media.disk import Disk
    from fsctl.media.recorder import Recorder
    from fsctl.media.silence import Silencer
    from fsctl.store.alarms import Alarms
    from fsctl.store.recordings import Recordings
    from fsctl.store.redactions import Redactions

    node = app.node_named(config, name)
    app.require_readable(node.spool)
    place = open_archive(config.archive_url, config.data_dir / "staging")
    disk = Disk(node.spool, place.root if isinstance(place, Folder) else None)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    app.await_database(config)
    with (
        (config.data_dir / f"archive-{node.name}.lock").open("w") as lock,
        app.database(config, "archive") as opened,
    ):
        # One that lost its media reader a moment ago may still be at work; two would be in each other's way.
        fcntl.flock(lock, fcntl.LOCK_EX)
        recordings, alarms = Recordings(opened, node.name), Alarms(opened, node.name)
        silencer = Silencer(Redactions(opened, node.name), alarms, place, place.staging / node.name)
        recorder = Recorder(node, config.archive, recordings, alarms, place, disk, silencer=silencer)
        app.on_signal(recorder.stop)
        recorder.run(time.sleep)
    return 0

"""What people at the console do to a call: a prompt over what it hears, another queue, an end."""

from fsctl.call import events
from fsctl.console.commands.steering import CONTEXT, STEP
from fsctl.esl import encode
from fsctl.sim import Ring
from tests.contract.switches import SwitchUnderTest, Watch
from tests.contract.test_path import call, end, planned, prompts, queues


def move(watch: Watch, uuid: str, queue: str) -> None:
    """As ``fsctl transfer`` does."""
    watch.connection.must(encode.SetVariables(uuid, (("fsctl_queue", queue),)))
    watch.connection.must(encode.Transfer(uuid, STEP, CONTEXT))


def bridged(watch: Watch, uuid: str) -> list[events.AgentBridged]:
    return [fact for fact in watch.of(uuid) if isinstance(fact, events.AgentBridged)]


def test_a_caller_who_waits_goes_to_another_queue(switch: SwitchUnderTest, heard: Watch) -> None:
    uuid = call(switch, heard, planned(rings=(Ring("no_answer"), Ring("answer", 0.5))))
    heard.fact(events.AgentOffered, uuid, queue="support@fsctl")
    move(heard, uuid, "sales@fsctl")
    heard.fact(events.MemberJoined, uuid, queue="sales@fsctl")
    heard.fact(events.AgentBridged, uuid)
    end(heard, uuid)
    assert queues(heard, uuid) == ["support@fsctl", "sales@fsctl"]


def test_a_caller_who_talks_goes_to_another_queue_and_the_agent_is_free(
    switch: SwitchUnderTest, heard: Watch
) -> None:
    uuid = call(switch, heard, planned(talk_s=20.0))
    first = heard.fact(events.AgentBridged, uuid)
    move(heard, uuid, "sales@fsctl")
    heard.fact(events.LegHungUp, uuid, leg="agent", leg_uuid=first.agent_uuid)
    heard.fact(events.MemberJoined, uuid, queue="sales@fsctl")
    heard.until(lambda: len(bridged(heard, uuid)) > 1 or None, "another agent")
    heard.connection.must(encode.HangUp(uuid))
    assert end(heard, uuid).cause == "MANAGER_REQUEST"
    assert queues(heard, uuid) == ["support@fsctl", "sales@fsctl"]


def test_a_prompt_is_played_over_the_music_and_in_a_conversation(
    switch: SwitchUnderTest, heard: Watch
) -> None:
    uuid = call(switch, heard, planned(rings=(Ring("answer", 4.0),), talk_s=8.0))
    folder = heard.connection.must(encode.ReadGlobal("fsctl_prompts")).strip()
    heard.fact(events.MemberJoined, uuid)
    heard.connection.must(encode.Play(uuid, f"{folder}/en/chat.wav"))
    heard.until(lambda: "en/chat" in prompts(heard, uuid) or None, "the prompt over the music")
    # A moment before, when the queue says that the agent is bridged, a prompt would be lost.
    heard.fact(events.LegsBridged, uuid)
    heard.connection.must(encode.Play(uuid, f"{folder}/pt/busy.wav", "both"))
    heard.until(lambda: "pt/busy" in prompts(heard, uuid) or None, "the prompt in the conversation")
    heard.connection.must(encode.HangUp(uuid))
    assert end(heard, uuid).cause == "MANAGER_REQUEST"


def test_nobody_is_told_or_moved_who_is_not_there(switch: SwitchUnderTest, heard: Watch) -> None:
    replies = [
        heard.connection.request(command)
        for command in (encode.Play("x", "/a.wav"), encode.Transfer("x", STEP, CONTEXT), encode.HangUp("x"))
    ]
    assert [reply.ok for reply in replies] == [False] * 3
    assert switch.name

"""The interpreter of FreeSWITCH's dialplan XML, on the real file and on its own rules."""

from pathlib import Path

import pytest

from fsctl.sim.dialplan import Action, Dialplan

REAL = Path(__file__).parents[3] / "dialplan"


def hunt(plan, destination, variables=None, context="whatsapp"):
    ran = []
    values = {"destination_number": destination, **(variables or {})}
    actions = plan.hunt(context, values.get, values.get, lambda app, data: ran.append((app, data)))
    return actions, ran


def load(tmp_path, body, **globals_):
    (tmp_path / "a.xml").write_text(f'<include><context name="whatsapp">{body}</context></include>')
    return Dialplan.load(tmp_path, globals_)


@pytest.mark.parametrize(
    "number", ["+15550100900", "15550100900", "+15550100900;tgrp=wacall;trunk-context=x"]
)
def test_a_number_from_meta_is_offered_to_the_queue(number):
    plan = Dialplan.load(REAL, {"fsctl_spool": "/spool", "fsctl_default_queue": "support@fsctl"})
    actions, _ = hunt(plan, number)
    applications = [action.application for action in actions]
    assert (
        applications.index("answer")
        < applications.index("record_session")
        < applications.index("execute_extension")
    )
    assert Action("record_session", "/spool/${uuid}.wav") in actions


@pytest.mark.parametrize(
    ("variables", "queue"),
    [
        ({}, "support@fsctl"),
        ({"fsctl_queue": "sales@fsctl"}, "sales@fsctl"),
        ({"fsctl_queue": "a b"}, "support@fsctl"),
    ],
)
def test_the_queue_set_by_the_controller_wins_if_it_is_one(variables, queue):
    plan = Dialplan.load(REAL, {"fsctl_default_queue": "support@fsctl"})
    assert hunt(plan, "queue", variables)[0] == [Action("callcenter", queue)]


def test_no_extension_is_no_route():
    assert hunt(Dialplan.load(REAL, {}), "abc")[0] is None


def test_every_condition_must_hold_and_captures_are_put_in(tmp_path):
    plan = load(
        tmp_path,
        """<extension name="a"><condition field="destination_number" expression="^(\\d)(\\d)$"/>
        <condition field="${x}" expression="^(y)$"><action application="log" data="$1"/>
        </condition></extension>""",
    )
    assert hunt(plan, "12", {"x": "y"})[0] == [Action("log", "y")]
    assert hunt(plan, "12", {"x": "z"})[0] is None


def test_inline_actions_run_while_hunting_and_continue_goes_on(tmp_path):
    plan = load(
        tmp_path,
        """<extension name="a" continue="true"><condition>
        <action application="set" data="g=$${g}" inline="true"/>
        <action application="log" data="1"/></condition></extension>
        <extension name="b"><condition field="destination_number" expression="^1$">
        <action application="log" data="2"/>
        <anti-action application="log" data="3"/></condition></extension>""",
        g="global",
    )
    assert hunt(plan, "1") == ([Action("log", "1"), Action("log", "2")], [("set", "g=global")])
    assert hunt(plan, "2")[0] == [Action("log", "1"), Action("log", "3")]


def test_what_is_not_modelled_is_refused_when_the_file_is_loaded(tmp_path):
    with pytest.raises(ValueError, match="wday"):
        load(
            tmp_path,
            '<extension name="a"><condition wday="2-6"><action application="log"/></condition></extension>',
        )

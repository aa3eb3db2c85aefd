"""The interpreter of FreeSWITCH's dialplan XML: its rules one by one."""

from pathlib import Path

import pytest

from fsctl.sim.applications import APPLICATIONS
from fsctl.sim.dialplan import Action, Dialplan, search

REAL = Path(__file__).parents[3] / "dialplan"


def hunt(plan, destination, variables=None, context="whatsapp"):
    ran = []
    values = {"destination_number": destination, **(variables or {})}
    actions = plan.hunt(context, values.get, values.get, lambda app, data: ran.append((app, data)))
    return actions, ran


def load(tmp_path, body, **globals_):
    (tmp_path / "a.xml").write_text(f'<include><context name="whatsapp">{body}</context></include>')
    return Dialplan.load(tmp_path, globals_)


def test_the_projects_dialplan_loads_with_the_applications_of_the_simulator():
    plan = Dialplan.load(REAL, {}, APPLICATIONS)
    assert {"whatsapp", "fsctl-sip", "fsctl-transfer"} <= set(plan.contexts)


def test_no_extension_is_no_route(tmp_path):
    plan = load(
        tmp_path, '<extension name="a"><condition field="destination_number" expression="^1$"/></extension>'
    )
    assert hunt(plan, "2")[0] is None
    assert hunt(plan, "1", context="elsewhere")[0] is None


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


@pytest.mark.parametrize(
    ("expression", "value", "groups"),
    [
        ("^(a)b", "ab", ("a",)),
        ("/^A(.)B$/i", "axb", ("x",)),
        ("/^(.*)stereo=1(.*)$/s", "v=0\r\nstereo=1\r\n", ("v=0\r\n", "\r\n")),
        ("^(.*)stereo=1(.*)$", "v=0\r\nstereo=1\r\n", None),
        ("/^b$/m", "a\nb", None),
        ("^(?!tls$)", "udp", ()),
        ("^(?!tls$)", "tls", None),
        ("/no end", "no end", None),
        ("(", "(", None),
    ],
)
def test_expressions_are_those_of_freeswitch(expression, value, groups):
    found = search(expression, value)
    assert (found.groups() if found else None) == groups


def test_an_expression_without_a_group_leaves_dollars_alone(tmp_path):
    plan = load(
        tmp_path,
        """<extension name="a"><condition field="destination_number" expression="^1$">
        <action application="log" data="costs $1"/></condition></extension>""",
    )
    assert hunt(plan, "1")[0] == [Action("log", "costs $1")]


@pytest.mark.parametrize(
    ("break_on", "passed", "failed"),
    [
        ("on-false", ["1", "2"], []),
        ("on-true", ["1"], ["2"]),
        ("always", ["1"], []),
        ("never", ["1", "2"], ["2"]),
    ],
)
def test_break_says_after_which_answer_the_next_condition_is_not_asked(tmp_path, break_on, passed, failed):
    plan = load(
        tmp_path,
        f"""<extension name="a"><condition field="${{x}}" expression="^y$" break="{break_on}">
        <action application="log" data="1"/></condition>
        <condition><action application="log" data="2"/></condition></extension>""",
    )
    assert [action.data for action in hunt(plan, "5", {"x": "y"})[0] or []] == passed
    assert [action.data for action in hunt(plan, "5", {"x": "n"})[0] or []] == failed


NESTED = """<extension name="a"><condition field="${{x}}" expression="^y$" {require}>
<action application="log" data="outer"/>
<condition field="${{z}}" expression="^1$"><action application="log" data="inner"/></condition>
</condition><condition><action application="log" data="after"/></condition></extension>"""


@pytest.mark.parametrize(
    ("require", "z", "expected"),
    [
        ("", "1", ["outer", "inner", "after"]),
        ("", "2", ["outer"]),
        ('require-nested="false"', "2", ["outer", "after"]),
    ],
)
def test_nested_conditions_are_asked_when_the_outer_one_passed(tmp_path, require, z, expected):
    plan = load(tmp_path, NESTED.format(require=require))
    assert [one.data for one in hunt(plan, "5", {"x": "y", "z": z})[0] or []] == expected
    assert [one.data for one in hunt(plan, "5", {"x": "n", "z": z})[0] or []] == []

"""Who may have FreeSWITCH do what: every role, and every way around that somebody may try."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.console import roles
from fsctl.console.commands import COMMANDS
from fsctl.console.commands.command import ROLES
from fsctl.console.desk import SWITCHS_OWN, is_ours
from fsctl.console.roles import required, settled

UUID = "7b6ccd8f-2f1c-4d0e-9f5e-1a2b3c4d5e6f"

VIEWER = """
status
version short
show channels
show channels as json
show registrations like 1000@fsctl
SHOW CHANNELS
sofia status
sofia status profile whatsapp reg
sofia xmlstatus gateway trunk
callcenter_config queue list
callcenter_config queue list members support@fsctl
callcenter_config tier list
callcenter_config agent get status agent1
uuid_exists x-1
create_uuid
fsctl sps
bgapi status
xml_wrap show channels
xml_wrap encoded show channels
expand uuid:x-1 status
eval status
bgapi expand xml_wrap status
"""
OPERATOR = f"""
uuid_kill {UUID}
uuid_kill {UUID} NORMAL_CLEARING
uuid_transfer {UUID} 1000
uuid_transfer {UUID} -both *98 XML default
uuid_hold toggle {UUID}
uuid_bridge {UUID} {UUID}
sched_hangup +60 {UUID} ALLOTTED_TIMEOUT
sched_transfer +5 {UUID} 1000 XML default
callcenter_config agent set status agent1 'On Break'
callcenter_config agent set status agent1 Available
callcenter_config agent set state agent1 Waiting
callcenter_config tier add support@fsctl agent1 1 2
callcenter_config queue reload support@fsctl
bgapi uuid_kill {UUID}
sched_api +5 none uuid_kill {UUID}
sched_api @60 none status
expand uuid_kill {UUID}
"""
ADMIN = f"""
hupall
HUPALL
bgapi hupall
  bgapi   hupall
BGAPI HupAll
bgapi bgapi bgapi hupall
bgapi expand eval xml_wrap sched_api +1 none hupall
expand status ${{system(id)}}
eval ${{system(id)}}
eval $${{default_password}}
eval uuid:{UUID} hupall
EVAL UUID:{UUID} hupall
expand uuid:{UUID} hupall
xml_wrap hupall
xml_wrap encoded hupall
xml_wrap ENCODED hupall
sched_api +1 none hupall
sched_api +1 none status&
sched_api +1 none bgapi originate null/1 &park
sched_transfer +1 {UUID} system:id inline
sched_transfer +1 {UUID} 1000 inline
uuid_transfer {UUID} system:id inline
uuid_transfer {UUID} 'set:a=b,system:id' inline
uuid_transfer {UUID} 1000 INLINE default
uuid_transfer {UUID} -both 1000 inline
uuid_transfer {UUID} ${{system(id)}}
uuid_kill {UUID} NORMAL_CLEARING extra
uuid_broadcast {UUID} system::id both
uuid_setvar {UUID} a b
uuid_dump {UUID}
uuid_getvar {UUID} rtp_last_audio_local_crypto_key
uuid_record {UUID} stop all
originate null/1 &park
system id
bg_system id
spawn id
lua x.lua
luarun x.lua
reloadxml
load mod_x
unload mod_event_socket
global_getvar default_password
sofia profile whatsapp restart
sofia status; hupall
show channels ;; hupall
status ;; hupall
status\thupall
callcenter_config agent set contact agent1 null/1
callcenter_config agent set contact agent1 '{{x=1}}null/1'
callcenter_config agent set 'contact' agent1 null/1
callcenter_config agent set status agent1 'On Break' extra
callcenter_config agent add agent9 uuid-standby
callcenter_config agent get contact agent1
fsctl shutdown
fsctl hupall
cond 1 == 1 ? hupall : x
alias add status hupall
db select/x/y
find_user_xml id 1000 fsctl
user_data agent1@fsctl param password
nonsense
...
shutdown
bgapi
sched_api
expand
xml_wrap encoded
"""


@pytest.mark.parametrize(
    ("role", "line"),
    [
        (role, line)
        for role, lines in (("viewer", VIEWER), ("operator", OPERATOR), ("admin", ADMIN))
        for line in lines.strip("\n").split("\n")
    ],
)
def test_the_least_role_of_a_line(role: str, line: str) -> None:
    assert required(settled(line)) == role


def test_nobody_needs_so_many_wrappers() -> None:
    assert required("bgapi " * 7 + "status") == "viewer"
    assert required("bgapi " * 8 + "status") == "admin"
    assert required("bgapi " * 5000 + "status") == "admin"


@given(
    line=st.text(max_size=60),
    wrapper=st.sampled_from(["bgapi", "expand", "eval", "xml_wrap", "sched_api +1 g"]),
)
def test_a_wrapper_never_asks_for_less(line: str, wrapper: str) -> None:
    assert ROLES.index(required(settled(f"{wrapper} {line}"))) >= ROLES.index(required(settled(line)))


@given(st.text(alphabet="stauhow chnels${};&|\t\r\n\x1b'\"`\\", max_size=40))
def test_what_moves_a_cursor_or_is_expanded_is_never_allowed_below_admin(text: str) -> None:
    if set(text) & set('${};&\t\r\n\x1b"`\\'):
        assert required(settled(f"show channels {text}")) == "admin"


def test_no_command_of_ours_is_called_as_one_of_freeswitchs() -> None:
    assert not SWITCHS_OWN & set(COMMANDS)
    assert is_ours("  FSCTL calls")
    assert is_ours("fsctl")
    assert is_ours("fsctl nonsense")
    assert not is_ours("fsctl shutdown now")
    assert not is_ours("fsctlx calls")


def test_a_pattern_that_is_too_wide_lets_nothing_through_that_is_expanded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roles, "ALLOWED", (("viewer", re.compile("show.*")),))
    assert required("show channels") == "viewer"
    for sign in '${};&\t\r\n\x1b"`\\':
        assert required(f"show {sign}") == "admin"

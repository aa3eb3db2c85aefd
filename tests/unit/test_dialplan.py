"""The XML of dialplan/ and freeswitch-conf/ without a FreeSWITCH: what a slip there would break at run time.

Each rule is a function from a checkout to complaints. It holds for this one, and there are copies with one thing
broken about which it complains. That the files are right and not only whole is for tests/contract to show.
"""

import functools
import itertools
import re
import shutil
import tomllib
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pcre2
import pytest
from defusedxml.ElementTree import ParseError, fromstring

ROOT = Path(__file__).parents[2]
LANGUAGES = ("en", "es", "pt", "hi")

#: The applications that the dialplan may use, and the module that brings each.
APPLICATIONS = {
    "answer": "mod_dptools",
    "bridge": "mod_dptools",
    "callcenter": "mod_callcenter",
    "check_acl": "mod_dptools",
    "execute_extension": "mod_dptools",
    "flush_dtmf": "mod_dptools",
    "hangup": "mod_dptools",
    "log": "mod_dptools",
    "play_and_get_digits": "mod_dptools",
    "playback": "mod_dptools",
    "record_session": "mod_dptools",
    "set": "mod_dptools",
    "unset": "mod_dptools",
}
#: What brings the files and streams that are named.
FORMATS = {
    "silence_stream": "mod_tone_stream",
    "tone_stream": "mod_tone_stream",
    "file_string": "mod_dptools",
}

#: What brings the endpoints that are bridged to.
ENDPOINTS = {"loopback": "mod_loopback", "sofia": "mod_sofia", "user": "mod_dptools"}
#: Contexts to which fsctl sends a leg that it originates (fsctl/whatsapp/dial.py).
ORIGINATED = {"fsctl-customer"}
#: Steps to which somebody sends a caller by hand (fsctl/console/commands/steering.py).
TRANSFERRED = {("fsctl-path", "transferred")}

#: Global variables of FreeSWITCH itself (switch_core.c).
BUILT_IN = {"local_ip_v4", "conf_dir", "certs_dir"}
#: Channel variables that FreeSWITCH sets: of SIP, at the end of a call, by applications, for a dial-string.
OF_FREESWITCH = {
    "uuid", "network_addr", "switch_r_sdp", "sip_via_protocol", "sip_from_user", "sip_h_x-wa-meta-wacid",
    "rtp_secure_media_negotiated", "hangup_cause", "start_uepoch", "answer_uepoch", "bridge_uepoch", "end_uepoch",
    "current_application_response", "cc_agent", "cc_agent_uuid", "cc_queue", "cc_exit_key", "cc_cancel_reason",
    "dialed_user", "dialed_domain",
}  # fmt: skip
#: Channel variables that the controller may set (fsctl/call/steering.py).
OF_CONTROLLER = {
    "fsctl_action", "fsctl_queue", "fsctl_sticky_queue", "fsctl_score", "fsctl_language", "fsctl_menu",
    "fsctl_recording", "fsctl_wait_minutes", "fsctl_caller_name", "fsctl_thread", "fsctl_payload",
}  # fmt: skip
#: What a variable within the name of a step can be.
VALUES = {
    "fsctl_recording": ["disclose", "consent", "always", "never"],
    "fsctl_menu_key": ["1", "2", "3", "4"],
    "fsctl_consent_key": ["1", ""],
    "fsctl_busy_key": ["1", ""],
    "cc_cancel_reason": ["TIMEOUT", "NO_AGENT_TIMEOUT", "EXIT_WITH_KEY", ""],
}


def files(root: Path) -> Iterator[Path]:
    """All XML, with the operator's vars.xml as its example."""
    for folder in ("dialplan", "freeswitch-conf"):
        yield from sorted(path for path in (root / folder).rglob("*.xml*") if path.name != "vars.xml")


@functools.cache
def parse(path: Path) -> Any:
    """A file as an element around what it holds: an included file may have several roots."""
    return fromstring(f"<file>{re.sub(r'<[?]xml[^>]*>', '', path.read_text('utf-8'))}</file>")


def elements(root: Path, name: str) -> Iterator[Any]:
    """All elements of a name, in all files."""
    return itertools.chain.from_iterable(parse(path).iter(name) for path in files(root))


def actions(root: Path, application: str = "") -> list[tuple[str, str]]:
    """Applications with their data."""
    found = [*elements(root, "action"), *elements(root, "anti-action")]
    pairs = [(one.get("application", ""), one.get("data", "")) for one in found]
    return [pair for pair in pairs if application in ("", pair[0])]


def preprocessed(root: Path, kind: str) -> list[str]:
    """The data of each pre-process instruction of a kind."""
    return [one.get("data", "") for one in elements(root, "X-PRE-PROCESS") if one.get("cmd") == kind]


def globals_of(root: Path) -> dict[str, str]:
    """Global variables as the files set them."""
    return dict(one.split("=", 1) for kind in ("set", "env-set") for one in preprocessed(root, kind))


def steps(root: Path) -> dict[str, list[str]]:
    """By context: what each extension asks of destination_number; ``.*`` when it does not ask."""
    return {
        context.get("name"): [
            next(
                (
                    c.get("expression")
                    for c in one.iter("condition")
                    if c.get("field") == "destination_number"
                ),
                ".*",
            )
            for one in context.iter("extension")
        ]
        for context in elements(root, "context")
    }


def calls(root: Path) -> Iterator[tuple[str, str]]:
    """Context and name of every step that execute_extension can lead to."""
    for _, data in actions(root, "execute_extension"):
        step, dialplan, context = data.split(" ")
        assert dialplan == "XML"
        names = re.findall(r"\$\{(\w+)\}", step)
        for values in itertools.product(*(VALUES[name] for name in names)):
            found = step
            for name, value in zip(names, values, strict=True):
                found = found.replace(f"${{{name}}}", value)
            yield context, found


# --- rules -----------------------------------------------------------------------------------------------------


def well_formed(root: Path) -> Iterator[str]:
    """Each file is XML."""
    for path in files(root):
        try:
            parse(path)
        except ParseError as error:
            yield f"{path.name}: {error}"


def instructions_stand_alone(root: Path) -> Iterator[str]:
    """FreeSWITCH drops what stands on a line after a pre-process instruction, and obeys one in a comment."""
    alone = re.compile(r'\s*<X-PRE-PROCESS cmd="(set|env-set|include)" data="[^"]*"/>\s*')
    for path in files(root):
        text = path.read_text("utf-8")
        within = re.findall(r"<!--.*?-->", text, re.DOTALL)
        for line in [line for line in text.splitlines() if "X-PRE-PROCESS" in line or "<!--#" in line]:
            if not alone.fullmatch(line) or any(line in comment for comment in within):
                yield f"{path.name}: {line.strip()}"


def includes_exist(root: Path) -> Iterator[str]:
    """Every include finds a file, beside the including one; but for folders of the operator, in a variable."""
    for path in files(root):
        for one in parse(path).iter("X-PRE-PROCESS"):
            pattern = "vars.xml.example" if one.get("data") == "vars.xml" else one.get("data")
            folder = path.parent / Path(pattern).parent
            if one.get("cmd") != "include" or pattern.startswith("$${fsctl_"):
                continue
            if not list(folder.glob(Path(pattern).name)):
                yield f"{path.name} includes {pattern}"


def regexes_compile(root: Path) -> Iterator[str]:
    """Every expression is one for PCRE2, as FreeSWITCH compiles it (switch_regex.c, switch_regex_perform)."""
    values = globals_of(root)
    expressions = [one.get("expression") for one in elements(root, "condition") if one.get("expression")]
    expressions += [data.split(" ")[8] for _, data in actions(root, "play_and_get_digits")]
    for expression in expressions:
        text = re.sub(r"\$\$\{(\w+)\}", lambda found: values.get(found[1], ""), expression)
        if "\\\\" in text:
            yield f"{expression}: one of two backslashes is lost before PCRE sees it"
        flagged = re.fullmatch(r"/(.*)/[isxm]*", text, re.DOTALL)
        try:
            pcre2.compile(flagged[1] if flagged else text)
        except pcre2.PatternError as error:
            yield f"{expression}: {error}"


def applications_are_loaded(root: Path) -> Iterator[str]:
    """Every application and every kind of stream comes from a module that modules.conf.xml loads."""
    loaded = {one.get("module") for one in elements(root, "load")}
    for application, data in actions(root):
        if APPLICATIONS.get(application) not in loaded:
            yield f"application {application}"
        for scheme in re.findall(r"(\w+)://", data):
            if FORMATS.get(scheme) not in loaded:
                yield f"stream {scheme}"
    for _, data in actions(root, "bridge"):
        for endpoint in re.findall(r"(?:^|\})(\w+)/", data):
            if ENDPOINTS.get(endpoint) not in loaded:
                yield f"endpoint {endpoint}"


def ways_lead_somewhere(root: Path) -> Iterator[str]:
    """Contexts named by profiles and transfers exist, and steps that are called; and each step is called."""
    known = steps(root)
    named = [one.get("value") for one in elements(root, "param") if one.get("name") == "context"]
    named += [
        data.partition("=")[2]
        for _, data in actions(root, "set")
        if data.startswith("force_transfer_context=")
    ]
    named += [data.rpartition("/")[2] for _, data in actions(root, "bridge") if "}loopback/" in data]
    named += ORIGINATED
    yield from (f"no context {name}" for name in named if name not in known)
    called = set(calls(root)) | TRANSFERRED
    for context, step in sorted(called):
        if not any(pcre2.search(expression, step) for expression in known.get(context, [])):
            yield f"no step {step} in {context}"
    for context in known.keys() - set(named):
        for expression in known[context]:
            if not any(where == context and pcre2.search(expression, step) for where, step in called):
                yield f"nobody calls {expression} in {context}"


def variables_are_defined(root: Path) -> Iterator[str]:
    """Every variable that is read is set: by FreeSWITCH, by the controller, or in these files."""
    set_here = {data.partition("=")[0] for _, data in actions(root, "set")}
    set_here |= {data.split(" ")[7] for _, data in actions(root, "play_and_get_digits")}
    for path in files(root):
        text = re.sub(r"<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL)
        for name in re.findall(r"\$\$\{([^{}]+)\}", text):
            if name not in BUILT_IN | globals_of(root).keys():
                yield f"{path.name}: $${{{name}}}"
        for name in re.findall(r"(?<!\$)\$\{([\w-]+)\}", text):
            if name not in set_here | OF_FREESWITCH | OF_CONTROLLER:
                yield f"{path.name}: ${{{name}}}"


def prompts_exist(root: Path) -> Iterator[str]:
    """Every prompt is there in every language, mono and 16 bit, and the texts are those of the prompts in use."""
    folder = root / "freeswitch-conf" / "prompts"
    texts = tomllib.loads((folder / "texts.toml").read_text("utf-8"))
    used = {
        name for _, data in actions(root) for name in re.findall(r"fsctl_prompts}/[^/]+/([\w-]+)\.wav", data)
    }
    for language in LANGUAGES:
        if odd := (texts[language].keys() - {"voice"}) ^ used:
            yield f"{language}: only in the texts or only in the dialplan: {sorted(odd)}"
        for name in used:
            path = folder / language / f"{name}.wav"
            if not path.exists():
                yield f"{language}/{name}.wav is missing"
                continue
            with wave.open(str(path)) as file:
                if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                    yield f"{language}/{name}.wav is not mono with 16 bit"


def secrets_have_no_default(root: Path) -> Iterator[str]:
    """A password is a variable which only the environment sets, and an empty one opens nothing."""
    from_environment = {one.split("=", 1)[0]: one.split("=", 1)[1] for one in preprocessed(root, "env-set")}
    set_here = {one.split("=", 1)[0] for one in preprocessed(root, "set")}
    for params in elements(root, "params"):
        values = {one.get("name"): one.get("value") for one in params.iter("param")}
        if "password" in values and values.get("allow-empty-password") != "false":
            yield "a user without a password gets in"
    for one in elements(root, "param"):
        if not (one.get("name") or "").endswith("password") or one.get("name") == "allow-empty-password":
            continue
        name = (re.fullmatch(r"\$\$\{(\w+)\}", one.get("value")) or [""] * 2)[1]
        if name in set_here or not re.fullmatch(r"\$[A-Z_]+", from_environment.get(name, "")):
            yield f"{one.get('name')}={one.get('value')}"


# --- each holds, and each catches ------------------------------------------------------------------------------

Rule = Callable[[Path], Iterator[str]]
PATH, DOOR = "dialplan/path.xml", "dialplan/whatsapp.xml"
CALLBACK = "dialplan/callback.xml"
MODULES = "freeswitch-conf/autoload_configs/modules.conf.xml"
VARS, SOFIA = "freeswitch-conf/vars.xml.example", "freeswitch-conf/autoload_configs/sofia.conf.xml"
ACL = "freeswitch-conf/autoload_configs/acl.conf.xml"
ESL = "freeswitch-conf/autoload_configs/event_socket.conf.xml"
OPS, AGENTS = "freeswitch-conf/directory/ops.xml", "freeswitch-conf/directory/agents.xml"
TEXTS = "freeswitch-conf/prompts/texts.toml"
SET = '<X-PRE-PROCESS cmd="set" data="x=1"/>'

BROKEN: list[tuple[Rule, str, str, str]] = [
    (well_formed, PATH, "</context>", ""),
    (well_formed, DOOR, "<!-- Steps", "<!-- Steps -- all"),
    (instructions_stand_alone, SOFIA, "<profiles>", f"<profiles>{SET}"),
    (instructions_stand_alone, SOFIA, "<profiles>", f"<!--\n{SET}\n-->\n<profiles>"),
    (includes_exist, ACL, "../acl/", "acl/"),
    (regexes_compile, PATH, r"^(\d{1,7})$", r"^(\d{1,7}$"),
    (regexes_compile, PATH, "fsctl_menu_key [1-4]", "fsctl_menu_key [1-4"),
    (regexes_compile, DOOR, "^(?!tls$)", "(?&lt;=t+)ls$"),
    (regexes_compile, PATH, r"[^&quot;\x5c]", r"[^&quot;\\]"),
    (applications_are_loaded, PATH, 'application="flush_dtmf"', 'application="flush_digits"'),
    (applications_are_loaded, MODULES, '<load module="mod_callcenter" critical="true"/>', ""),
    (applications_are_loaded, PATH, "silence_stream://1000", "http_cache://1000"),
    (applications_are_loaded, MODULES, '<load module="mod_tone_stream"/>', ""),
    (ways_lead_somewhere, PATH, 'data="opening XML', 'data="openning XML'),
    (ways_lead_somewhere, PATH, "^busy-$", "^busy-2$"),
    (ways_lead_somewhere, CALLBACK, "/fsctl-callback", "/fsctl-calback"),
    (ways_lead_somewhere, CALLBACK, 'name="fsctl-customer"', 'name="fsctl-customers"'),
    (applications_are_loaded, MODULES, '<load module="mod_loopback"/>', ""),
    (ways_lead_somewhere, PATH, "^after-NO_AGENT_TIMEOUT$", "^after-NO-AGENT-TIMEOUT$"),
    (ways_lead_somewhere, PATH, '"steering XML fsctl-path"', '"steering XML fsctl-paths"'),
    (ways_lead_somewhere, PATH, "force_transfer_context=fsctl-transfer", "force_transfer_context=transfer"),
    (ways_lead_somewhere, SOFIA, 'value="fsctl-sip"', 'value="sip"'),
    (variables_are_defined, PATH, "/${fsctl_language}/closed.wav", "/${fsctl_langauge}/closed.wav"),
    (variables_are_defined, PATH, "$${fsctl_spool}", "$${spool}"),
    (variables_are_defined, VARS, "fsctl_whatsapp_acl=", "fsctl_acl="),
    (prompts_exist, PATH, "/busy.wav", "/occupied.wav"),
    (prompts_exist, TEXTS, "chat = ", "chats = "),
    (prompts_exist, PATH, "/dissuade.wav", "/disuade.wav"),
    (secrets_have_no_default, VARS, "fsctl_trunk_password=$FSCTL_TRUNK_PASSWORD", "fsctl_trunk_password=secret"),
    (secrets_have_no_default, VARS, "</include>", f"{SET.replace('x=1', 'fsctl_esl_password=1')}\n</include>"),
    (secrets_have_no_default, ESL, "$${fsctl_esl_password}", "ClueCon"),
    (secrets_have_no_default, OPS, "$${fsctl_viewer_password}", "viewer"),
    (secrets_have_no_default, AGENTS, '<param name="allow-empty-password" value="false"/>', ""),
]  # fmt: skip


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in BROKEN), ids=lambda rule: rule.__name__)
def test_the_files_keep_the_rule(rule: Rule) -> None:
    assert list(rule(ROOT)) == []


@pytest.mark.parametrize(
    ("rule", "name", "good", "bad"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_the_rule_catches_a_broken_file(rule: Rule, name: str, good: str, bad: str, tmp_path: Path) -> None:
    for folder in ("dialplan", "freeswitch-conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    text = (tmp_path / name).read_text("utf-8")
    assert good in text
    (tmp_path / name).write_text(text.replace(good, bad, 1), "utf-8")
    assert list(rule(tmp_path))


def test_a_prompt_that_is_missing_or_stereo_is_noticed(tmp_path: Path) -> None:
    for folder in ("dialplan", "freeswitch-conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    prompts = tmp_path / "freeswitch-conf" / "prompts"
    (prompts / "hi" / "busy.wav").unlink()
    with wave.open(str(prompts / "es" / "busy.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(4))
    assert list(prompts_exist(tmp_path)) == [
        "es/busy.wav is not mono with 16 bit",
        "hi/busy.wav is missing",
    ]

"""mod_hash: ``hash`` and ``hash_dump``, as FreeSWITCH 1.11.2 was seen to answer them.

Realm and key become one name, ``realm_key``; a value keeps its slashes. Nothing survives a restart.
"""

USAGE = "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]\n"
DUMP_USAGE = "Usage: all|limit|db [<realm>]\n"


def command(table: dict[str, str], arguments: str) -> str:
    """``insert/realm/key/value``, ``select/realm/key``, ``delete/realm/key``; the others are not modelled."""
    words = arguments.split("/", 3)
    if len(words) < 3 or words[0] not in ("insert", "select", "delete"):
        return USAGE
    name = f"{words[1]}_{words[2]}"
    if words[0] == "insert":
        if len(words) < 4:
            return USAGE
        table[name] = words[3]
        return "+OK\n"
    if words[0] == "select":
        return table.get(name, "")
    return "+OK\n" if table.pop(name, None) is not None else "-ERR Not found\n"


def dump(table: dict[str, str], arguments: str) -> str:
    """``db [realm]``: a line ``D/realm_key/value`` for each."""
    words = arguments.split()
    if not words or words[0] not in ("all", "limit", "db"):
        return DUMP_USAGE
    realm = f"{words[1]}_" if len(words) > 1 else ""
    rows = table.items() if words[0] != "limit" else ()
    return "".join(f"D/{name}/{value}\n" for name, value in rows if name.startswith(realm))

"""What the tables of calls have in common."""

MODEL = "ishmael-1m"
MESSAGES = [{"role": "user", "content": "Tell me of the whale."}]
TOOL = {
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string", "enum": ["here", "there"]}},
        "required": ["place"],
    },
}

CASES = []


def case(function):
    CASES.append(function)
    return function


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")

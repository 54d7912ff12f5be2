"""What schemathesis is told of this server: which model is there, and that answers need not be long."""

import schemathesis

from table import MODEL

# Fields that say how long an answer is, or how many there are.
SHORT = {"max_tokens": 4, "max_completion_tokens": 4, "max_output_tokens": 4, "n": 2}


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and context.operation.method.upper() != "DELETE":
        if isinstance(body.get("model"), str):
            body["model"] = MODEL
        for name, most in SHORT.items():
            if type(body.get(name)) is int and body[name] > most:
                body[name] = most
    return body

"""Messages on their way. No secret is ever in an error: a webhook's URL is one."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from email.message import EmailMessage
from urllib.parse import urlsplit

from torchrack.drift.alerts.state import Message, State, Told
from torchrack.drift.alerts.targets import Mail, Target, Webhook
from torchrack.drift.verdict import WORDS
from torchrack.errors import TorchrackError

TIMEOUT = 15
"""Seconds for a delivery."""
_MOST = 20
"""Findings that a message for people lists."""


class DeliveryError(Exception):
    """A message could not be delivered; the text says to whom and why."""


def deliver(state: State, targets: Sequence[Target]) -> tuple[State, list[str]]:
    """Deliver what waits, each target's messages in order.

    Args:
        state: with the messages that wait.
        targets: the fleet's.

    Returns:
        The state with what still waits, and why it does.
    """
    waiting, errors = [], []
    for target in targets:
        own = [one for one in state.waiting if one.target == target.key]
        for number, one in enumerate(own):
            try:
                send(target, one.message)
            except DeliveryError as error:
                errors.append(f"{error}; {len(own) - number} message(s) are kept for the next time")
                waiting += own[number:]
                break
    return state.model_copy(update={"waiting": tuple(waiting)}), errors


def send(target: Target, message: Message) -> None:
    """Deliver one message.

    Raises:
        DeliveryError: it could not be delivered.
    """
    try:
        if isinstance(target, Mail):
            _mail(target, message)
        else:
            _post(target, message)
    except TorchrackError as error:  # a secret that can't be read
        raise DeliveryError(f"alert by {target.kind}: {error}") from None


def _post(target: Webhook, message: Message) -> None:
    url = target.url.read()
    place = urlsplit(url)
    if place.scheme not in ("https", "http") or not place.hostname:
        raise DeliveryError(f"alert by {target.kind}: its secret is no URL of http or https")
    data = {"text": text(message)} if target.kind == "slack" else _data(message)
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url, json.dumps(data).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            answer.read(1000)
    except urllib.error.HTTPError as error:
        said = f"{error.code} {error.reason}"
        raise DeliveryError(f"alert by {target.kind} to {place.hostname}: {said}") from None
    except (OSError, ValueError) as error:
        said = str(getattr(error, "reason", error)).replace(url, "its URL")
        raise DeliveryError(f"alert by {target.kind} to {place.hostname}: {said}") from None


def _mail(target: Mail, message: Message) -> None:
    mail = EmailMessage()
    mail["Subject"] = f"Torchrack: {_headline(message)}"
    mail["From"], mail["To"] = target.sender, ", ".join(target.to)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text(message))
    password = target.password.read() if target.password else ""
    context = ssl.create_default_context()
    try:
        if target.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                target.host, target.port, timeout=TIMEOUT, context=context
            )
        else:
            server = smtplib.SMTP(target.host, target.port, timeout=TIMEOUT)
        with server:
            if target.security == "starttls":
                server.starttls(context=context)
            if target.user:
                server.login(target.user, password)
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        said = str(error) or type(error).__name__
        raise DeliveryError(f"alert by mail through {target.host}: {said}") from None


def text(message: Message) -> str:
    """Return a message for people: what came, the gravest first, what went, what to do."""
    lines = [_headline(message)]
    for heading, found in (("New", message.came), ("Gone", message.went)):
        if found:
            lines += ["", f"{heading}:", *(_line(one) for one in found[:_MOST])]
        if len(found) > _MOST:
            lines.append(f"and {len(found) - _MOST} more")
    lines += ["", f"{message.open} open. All of it: torchrack drift {message.fleet}"]
    return "\n".join(lines)


def _headline(message: Message) -> str:
    was = f", was {WORDS[message.before]}" if message.before != message.verdict else ""
    counts = f"{len(message.came)} new, {len(message.went)} gone"
    return f"{message.fleet}: {WORDS[message.verdict]}{was} ({counts})"


def _line(one: Told) -> str:
    return f"- {one.severity}: {one.host}: {one.what} ({one.id}). {one.fix}"


def _data(message: Message) -> object:
    return message.model_dump(mode="json", by_alias=True)

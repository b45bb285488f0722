"""Notices by mail, over an encrypted connection."""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from etl.errors import NoticeError

STARTTLS, SSL, NONE = "starttls", "ssl", "none"
SECURITY = (STARTTLS, SSL, NONE)


@dataclass(frozen=True)
class MailSettings:
    """How mail leaves. `security` none is for a relay on the machine itself, without a password.

    The password is `password`, or else the first line of `password_file`. `ca_file` names the
    authority of a mail server that the machine does not know.
    """

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    security: str = STARTTLS
    user: str | None = None
    password: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: float = 30


class ByMail:
    """A notifier that sends each notice as one mail to everybody named."""

    def __init__(self, settings: MailSettings) -> None:
        self.settings = settings
        self.to = f"mailed to {', '.join(settings.to)}"
        self.where = f"mail server {settings.host}:{settings.port}"

    def send(self, number: int, text: str) -> None:
        """Raises NoticeError where the server is not there, refuses, or takes too long."""
        try:
            with self._connected() as server:
                not_taken = server.send_message(self._message(number, text))
        except smtplib.SMTPAuthenticationError as error:
            raise self._refused(
                f"refuses the name or the password ({error.smtp_code})",
                "ones that it knows. Correct them",
            ) from None
        except smtplib.SMTPResponseException as error:
            raise self._refused(
                f"refuses the mail ({error.smtp_code})",
                f"a server that takes mail from {self.settings.sender}. Correct the settings",
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(
                f"takes no mail for {', '.join(sorted(error.recipients))}",
                "addresses that it takes. Correct them",
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise self._refused(
                "offers no STARTTLS, or no login", f"'{self.settings.security}'. Correct it"
            ) from None
        except ssl.SSLError as error:
            raise self._refused(
                f"cannot be trusted ({error.reason or type(error).__name__})",
                "a certificate of its name, by an authority that is known. Correct host, security "
                "or ca_file",
            ) from None
        except TimeoutError:
            raise self._refused(
                f"does not answer within {self.settings.timeout_seconds:g} seconds",
                "an answer. See whether it runs",
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise self._refused(
                f"cannot be reached ({why})", "it to run. See whether it does, and its name"
            ) from None
        if not_taken:
            # The others have it; sent again they would have it twice.
            raise self._refused(
                f"takes no mail for {', '.join(sorted(not_taken))}, and took it for the others",
                "addresses that it takes. Correct them",
                is_kept=False,
            )

    def _refused(self, found: str, expected: str, *, is_kept: bool = True) -> NoticeError:
        kept = "; the notice is kept, and sent by the next `kobling notify`." if is_kept else "."
        return NoticeError(f"{self.where}: {found}. Expected {expected}{kept}", is_kept=is_kept)

    def _connected(self) -> smtplib.SMTP:
        settings = self.settings
        password = self._password()
        if settings.security == NONE:
            return smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.security == SSL:
            server = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=settings.timeout_seconds, context=context
            )
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
        try:
            if settings.security == STARTTLS:
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, password or "")
        except BaseException:
            server.close()
            raise
        return server

    def _password(self) -> str | None:
        if self.settings.password is not None or self.settings.password_file is None:
            return self.settings.password
        try:
            lines = self.settings.password_file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise NoticeError(
                f"{self.settings.password_file}: cannot be read ({error.strerror}). Expected the "
                "password of the mail server. Correct the name, or who may read it; the notice is "
                "kept."
            ) from None
        return lines[0].strip() if lines else ""

    def _message(self, number: int, text: str) -> EmailMessage:
        heading, _, body = text.partition("\n")
        message = EmailMessage()
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.to)
        message["Subject"] = heading
        message["X-Kobling-Notice"] = str(number)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body.lstrip("\n"))
        return message

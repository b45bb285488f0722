"""Notices by mail, over an encrypted connection."""

import smtplib
import ssl
from email.message import EmailMessage

from etl.errors import NoticeError
from etl.settings import Notices

TIMEOUT_SECONDS = 30
# In a container's secrets the container is the lock, and their mode is not its own.
SECRETS = "/run/secrets"


class ByMail:
    """A notifier that sends each notice as one mail to everybody named.

    A certificate is held against the authorities that the machine knows, or SSL_CERT_FILE names.
    """

    def __init__(self, settings: Notices, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.settings, self.timeout_seconds = settings, timeout_seconds
        self.to = f"mailed to {', '.join(settings.recipients)}"
        self.where = f"mail server {settings.smtp_host}:{settings.smtp_port}"

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
                "offers no STARTTLS, or no login", f"'{self.settings.smtp_security}'. Correct it"
            ) from None
        except ssl.SSLError as error:
            raise self._refused(
                f"cannot be trusted ({error.reason or type(error).__name__})",
                "a certificate of its name, by an authority that is known. Correct smtp_host or "
                "smtp_security, or name the authority in SSL_CERT_FILE",
            ) from None
        except (TimeoutError, smtplib.SMTPServerDisconnected):
            # smtplib says the same of a server that is silent and of one that breaks off.
            raise self._refused(
                f"does not answer within {self.timeout_seconds:g} seconds, or breaks off",
                "an answer. See whether it runs, and whether smtp_security is its own",
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
        settings, timeout = self.settings, self.timeout_seconds
        password = self._password() if settings.smtp_user else ""
        address = (settings.smtp_host, settings.smtp_port)
        if settings.smtp_security == "tls":
            context = ssl.create_default_context()
            server = smtplib.SMTP_SSL(*address, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(*address, timeout=timeout)
        try:
            if settings.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if settings.smtp_user:
                server.login(settings.smtp_user, password)
        except BaseException:
            server.close()
            raise
        return server

    def _password(self) -> str:
        path = self.settings.smtp_password_file
        if path is None:
            return ""
        try:
            mode, lines = path.stat().st_mode, path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise NoticeError(
                f"{path}: cannot be read ({error.strerror}). Expected the password of the mail "
                "server. Correct its name, or who may read it; the notice is kept."
            ) from None
        if mode & 0o077 and not path.resolve().is_relative_to(SECRETS):
            raise NoticeError(
                f"{path}: others may read the password of the mail server. Expected it to be its "
                f"owner's only. Run `chmod 600 {path}`; the notice is kept."
            )
        return lines[0].strip() if lines else ""

    def _message(self, number: int, text: str) -> EmailMessage:
        heading, _, body = text.partition("\n")
        message = EmailMessage()
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self.settings.recipients)
        message["Subject"] = heading
        message["X-Kobling-Notice"] = str(number)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body.lstrip("\n"))
        return message

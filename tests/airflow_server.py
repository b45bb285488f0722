"""A real Airflow for tests and benches, and what a person asks of it, over its REST API.

with native.running(folder, kobling_home=home) as airflow:
    admin = Client.of(airflow, "admin")
    admin.wait_for_dags("refresh_registers", "run_studies")
    run_id = admin.trigger("refresh_registers")
    assert admin.wait_for_run("refresh_registers", run_id) == "success"
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import quote

from deployment.native import Airflow

ENDED = {"success", "failed"}
# A machine that is busy with other work answers late.
SECONDS = 300


class RefusedError(Exception):
    """The API answered with another status than 2xx."""

    def __init__(self, status: int, path: str, said: str) -> None:
        super().__init__(f"{status} {path}: {said[:500]}")
        self.status = status


class Client:
    """One user, logged in."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self._token = url, None
        said = self._asked("POST", "/auth/token", {"username": user, "password": password})
        self._token = said["access_token"]

    @classmethod
    def of(cls, airflow: Airflow, user: str) -> "Client":
        return cls(airflow.url, user, airflow.passwords[user])

    # ------------------------------------------------------------ any question

    def get(self, path: str) -> dict:
        """`path` is below /api/v2. Raises RefusedError."""
        return self._asked("GET", f"/api/v2{path}")

    def send(self, method: str, path: str, body: dict | None = None) -> dict:
        """POST, PATCH, PUT or DELETE below /api/v2. Raises RefusedError."""
        return self._asked(method, f"/api/v2{path}", body)

    def status(self, method: str, path: str, body: dict | None = None) -> int:
        """What a question is answered with, when only that is of interest."""
        try:
            self.send(method, path, body)
        except RefusedError as refused:
            return refused.status
        return 200

    def _asked(self, method: str, path: str, body: dict | None = None) -> dict:
        asked = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        asked.add_header("Content-Type", "application/json")
        asked.add_header("Accept", "application/json")
        if self._token:
            asked.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise RefusedError(error.code, path, error.read().decode("utf-8", "replace")) from None

    # ------------------------------------------------------------ DAGs and their runs

    def wait_for_dags(self, *dag_ids: str, seconds: float = 180) -> None:
        """Until each has been parsed."""

        def known() -> bool:
            return set(dag_ids) <= {dag["dag_id"] for dag in self.get("/dags?limit=100")["dags"]}

        until(known, seconds, f"DAGs {dag_ids}")

    def unpause(self, *dag_ids: str) -> None:
        for dag_id in dag_ids:
            self.send("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: dict | None = None) -> str:
        """The id of the run."""
        body = {"logical_date": None, "conf": conf or {}}
        return self.send("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"]

    def runs(self, dag_id: str) -> list[dict]:
        """Runs of a DAG, the oldest first."""
        return self.get(f"/dags/{dag_id}/dagRuns?limit=100&order_by=run_after")["dag_runs"]

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"]

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 600) -> str:
        """The state that it ended in."""
        until(lambda: self.run_state(dag_id, run_id) in ENDED, seconds, f"{dag_id} {run_id}")
        return self.run_state(dag_id, run_id)

    def wait_for_any_run(
        self, dag_id: str, seconds: float = 600, after: int = 0
    ) -> tuple[str, str]:
        """(id, state) of the newest run, once more than `after` are there and it has ended."""

        def ended() -> bool:
            found = self.runs(dag_id)
            return len(found) > after and found[-1]["state"] in ENDED

        until(ended, seconds, f"a run of {dag_id}")
        last = self.runs(dag_id)[-1]
        return last["dag_run_id"], last["state"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict]:
        """Task instances of a run: task_id, map_index, state, try_number and more."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances?limit=200"
        return self.get(path)["task_instances"]

    def task_states(self, dag_id: str, run_id: str) -> dict[tuple[str, int], str]:
        """(task_id, map_index) → state; map_index is -1 where the task is not mapped."""
        found = self.tasks(dag_id, run_id)
        return {(task["task_id"], task["map_index"]): task["state"] for task in found}

    def log(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, try_number: int = 1
    ) -> str:
        """What a task said, a line each."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{try_number}"
        lines = self.get(f"{path}?map_index={map_index}&full_content=true")["content"]
        return "\n".join(line if isinstance(line, str) else line["event"] for line in lines)

    # ------------------------------------------------------------ a human in the loop

    def waiting_for_a_human(self, dag_id: str = "~", run_id: str = "~") -> list[dict]:
        """Requests that nobody has answered: options, subject, body, params, task_instance."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='~')}/hitlDetails?limit=100"
        return [found for found in self.get(path)["hitl_details"] if not found["response_received"]]

    def answer(
        self, dag_id: str, run_id: str, task_id: str, option: str, map_index: int = -1,
        params: dict | None = None,
    ) -> dict:  # fmt: skip
        """Choose an option of a request, with what its form asks for. Raises RefusedError."""
        return self.send(
            "PATCH",
            f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/{map_index}/hitlDetails",
            {"chosen_options": [option], "params_input": params or {}},
        )


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask again and again. Raises AssertionError where it does not come to hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not there after {seconds:.0f} seconds"
        time.sleep(0.5)

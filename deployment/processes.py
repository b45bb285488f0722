"""Which processes make up Airflow here, what each is told, and who may use them.

Nothing is started in this file. docker-compose.yml holds the same, and tests/test_deployment.py
holds the two to each other.
"""

import shlex

# Run before the services at every start, with the folder of the secrets.
PREPARE = "python -m deployment.prepare"
SERVICES = {
    "api-server": "airflow api-server",
    "scheduler": "airflow scheduler",
    "dag-processor": "airflow dag-processor",
    "triggerer": "airflow triggerer",
}
# As `/api/v2/monitor/health` names those that beat; that it answers is the API server's own beat.
BEATS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}

# User → role of Airflow's simple auth manager. A data manager may trigger, pause, clear and
# approve; pools, variables and connections are the admin's: one slot keeps two writers apart.
USERS = {"admin": "admin", "data_manager": "user", "analyst": "viewer"}

# Pool → slots, and why it is there.
POOLS = {"warehouse_writer": (1, "DuckDB lets one process write in a warehouse.")}

# Files of the secrets' folder.
METADATA_PASSWORD = "metadata_password"
JWT_SECRET = "jwt_secret"
FERNET_KEY = "fernet_key"
API_SECRET_KEY = "api_secret_key"
AIRFLOW_PASSWORDS = "airflow_passwords"
SECRETS = (METADATA_PASSWORD, JWT_SECRET, FERNET_KEY, API_SECRET_KEY, AIRFLOW_PASSWORDS)

# Of the example of a keeper's database, which only docker-compose.yml has.
SOURCE_PASSWORD, PGPASS = "source_password", "pgpass"
# What nobody but the keeper of the key can give.
PSEUDONYM_KEY = "pseudonym_key"

METADATA_USER = METADATA_DATABASE = "airflow"


def environment(
    *, airflow_home: str, dags: str, secrets: str, api_host: str, api_port: int, seen_as: str,
    base_url: str, log_ports: tuple[int, int] = (8793, 8794), paused: bool = True,
    parallelism: int = 4,
) -> dict[str, str]:  # fmt: skip
    """What every process of Airflow is told, but for where its metadata lie.

    `secrets` is the folder of the secrets' files, `api_host` what the API server listens on,
    `seen_as` the address of the API server for the other processes, `base_url` for people. On
    `log_ports` scheduler and triggerer hand out the logs of running tasks. `paused` says whether a
    new DAG waits until somebody starts it, `parallelism` how many tasks run at once.
    """

    def read(name: str) -> str:
        return f"cat {shlex.quote(f'{secrets}/{name}')}"

    return {
        "AIRFLOW_HOME": airflow_home,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__DAGS_FOLDER": dags,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "true" if paused else "false",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{seen_as}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{user}:{role}" for user, role in USERS.items()
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": f"{airflow_home}/passwords.json",
        "AIRFLOW__CORE__FERNET_KEY_CMD": read(FERNET_KEY),
        "AIRFLOW__API__HOST": api_host,
        "AIRFLOW__API__PORT": str(api_port),
        "AIRFLOW__API__BASE_URL": base_url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY_CMD": read(API_SECRET_KEY),
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": read(JWT_SECRET),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_ports[0]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_ports[1]),
    }


def metadata_in_postgres(place: str, secrets: str) -> dict[str, str]:
    """Where the metadata lie; `place` is host or host:port, the password is read from its file."""
    password = shlex.quote(f"{secrets}/{METADATA_PASSWORD}")
    url = f"postgresql+psycopg2://{METADATA_USER}:%s@{place}/{METADATA_DATABASE}"
    script = f'printf "{url}" "$(cat {password})"'
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": f"sh -c {shlex.quote(script)}"}

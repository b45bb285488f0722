"""How Airflow's processes are started: the same by docker-compose.yml, `make airflow`, tests.

`processes.py` says which processes there are and what each is told; `native.py` starts them
without containers.
"""

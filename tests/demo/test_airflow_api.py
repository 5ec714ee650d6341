import pytest

from phrasemill.airflow_api import AirflowRefused
from phrasemill.demo.airflow_api import DemoAirflow
from tests.servers import free_port


class TestAirflowThatDoesNotAnswer:
    def test_is_told_with_its_address_and_what_to_look_at(self) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(AirflowRefused, match=rf"^Airflow at {url} does not answer .*; see make status$"):
            DemoAirflow(url, "password")

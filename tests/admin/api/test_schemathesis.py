"""The API, asked by schemathesis, a reader of the OpenAPI document that is not ours: whatever comes in, what goes out is declared."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gatepost.admin.api.asked import Way
from gatepost.admin.api.routes import ROUTES
from gatepost.admin.api.server import application
from gatepost.pipeline.messengers import ChannelState
from tests.admin.desks import bench

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
"""Broken by whatever answer the document does not declare."""
EXAMPLES = 12
"""Requests for each route."""


@schemathesis.serializer("application/toml")
def _as_it_is(context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def schema() -> Iterator[Any]:
    """The document of a guard in this process, which all of these tests wear out."""
    with bench(real_time=True) as made:
        made.desk.channels = lambda: [ChannelState(name="admins", kind="mail", to="root")]
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", application(made.desk))


@pytest.mark.parametrize("way", ROUTES, ids=lambda way: f"{way.method} {way.path}")
def test_every_answer_is_one_that_is_declared(schema: Any, way: Way) -> None:
    @settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of([schema[way.path][way.method].as_strategy(generation_mode=mode) for mode in GenerationMode]))
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    ask()

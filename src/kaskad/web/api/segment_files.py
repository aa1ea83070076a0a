"""Segments as a YAML file: what there is, and what is to be."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from kaskad.actions import segment_files
from kaskad.web.api.contacts import READ, WRITE
from kaskad.web.api.definition import Definition
from kaskad.web.api.fields import Name
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/segment-file", tags=["lists and segments"], route_class=IdempotentRoute)

YAML: dict[str, Any] = {"schema": {"type": "string"}, "example": "segments:\n  vips: contact.vip\n"}
BODY = {"requestBody": {"required": True, "content": {"application/yaml": YAML}}}
TOLD = {"schema": {"type": "object"}, "example": {"segments": {"vips": "contact.vip"}}}
ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/yaml": TOLD}}}


class SavedView(View):
    """The segments that were made or changed, by name."""

    saved: list[str]


@router.get("", dependencies=[READ], responses=ANSWER, response_class=Response)
def get_segment_file(
    office: InOffice,
    name: Annotated[list[Name], Query(default_factory=list, max_length=100, description="Only these.")],
) -> Response:
    """Return segments as YAML, such as PUT takes: all that somebody has made, or those that are named."""
    return Response(segment_files.written(office, name), media_type="text/yaml; charset=utf-8")


@router.put("", dependencies=[WRITE], openapi_extra=BODY)
def put_segment_file(office: InOffice, text: Definition) -> SavedView:
    """Make or change the segments of a YAML file, all or none; those that it does not name stay."""
    return SavedView(saved=segment_files.put(office, text))

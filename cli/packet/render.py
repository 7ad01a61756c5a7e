"""
The safety review packet as people read it: one page of HTML, or a PDF to file and sign.

Both are set from the same view, so they agree. Nothing is fetched from elsewhere, no clock is read, and what stands in
the packet is text: none of it can become markup.
"""

import json
from dataclasses import asdict
from pathlib import Path

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cli.packet.view import view_of
from schemas.dose.packet import SafetyPacket

HERE = Path(__file__).parent
HTML_TEMPLATE = "packet.html.j2"
PDF_TEMPLATE = "packet.typ"


def render_html(packet: SafetyPacket, sha256: str) -> str:
    """Render the packet as one HTML page that needs nothing else."""
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template(HTML_TEMPLATE).render(view=view_of(packet, sha256))


def render_pdf(packet: SafetyPacket, sha256: str) -> bytes:
    """Render the packet as an accessible PDF (ISO 14289-1, PDF/UA-1); the same packet gives the same bytes."""
    inputs = {"view": json.dumps(asdict(view_of(packet, sha256)), ensure_ascii=False)}
    template = HERE / PDF_TEMPLATE
    try:
        return typst.compile(template, sys_inputs=inputs, pdf_standards=["ua-1"])
    except typst.TypstError:
        # The standard wants every letter drawn. Without a font for one, a readable PDF is better than none.
        return typst.compile(template, sys_inputs=inputs)

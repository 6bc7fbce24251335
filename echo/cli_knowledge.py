"""The commands ``echo-iad knowledge ...``: thin, like those of ``echo.cli``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from echo.cli_common import Home, Json, Mllm, cell, say, say_aside

if TYPE_CHECKING:
    from echo.rules import Rules
    from experts.evidence import Clause

knowledge = typer.Typer(
    no_args_is_help=True, help="Write, check, try and put in force the rules of a line."
)

Name = Annotated[str, typer.Argument(help="Name of the line.")]
Files = Annotated[list[Path], typer.Argument(help="Knowledge files.")]


@knowledge.command(epilog="Example: echo-iad knowledge new washer")
def new(
    product: Annotated[str, typer.Argument(help="What the images show, such as washer.")],
    out: Annotated[Path | None, typer.Option(help="The file; by default PRODUCT.yaml.")] = None,
) -> None:
    """Write a first knowledge file, with comments, to be filled in."""
    from echo.storage import write_new
    from experts.knowledge.writing import first_file

    if not re.search(r"\w", product):
        raise typer.BadParameter(f"{product!r}: expected a name, such as washer")
    path = out or Path(re.sub(r"[^\w.-]+", "_", product.strip()).strip("._") + ".yaml")
    schema = path.with_name("schema.json")
    write_new(path, first_file(product.strip(), schema.name).encode())
    if not schema.exists():
        write_new(schema, _schema())
    say(f"Wrote {path}. Fill it in, then: echo-iad knowledge check {path}")


@knowledge.command(epilog="Example: echo-iad knowledge check rules/*.yaml")
def check(files: Files, as_json: Json = False) -> None:
    """Name all faults of knowledge files; exit code 0: none, 1: some."""
    from experts.errors import KnowledgeError
    from experts.knowledge import load_knowledge

    found: dict[str, list[str]] = {}
    for path in files:
        try:
            rules = load_knowledge(path)
        except KnowledgeError as error:
            found[str(path)] = str(error).splitlines()
            continue
        found[str(path)] = []
        if not as_json:
            say(f"{path}: no fault; {_counted(len(rules.clauses), 'clause')}.")
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        for fault in (fault for faults in found.values() for fault in faults):
            typer.echo(fault)
    if any(found.values()):
        raise typer.Exit(1)


@knowledge.command(
    epilog="Example: echo-iad knowledge show washer --question 'may pits be filled?'"
)
def show(
    line: Name,
    question: Annotated[str, typer.Option(help="Show only what matters for this question.")] = "",
    out: Annotated[Path | None, typer.Option(help="Draw the zones into this PNG file.")] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Show the rules of a line that are in force, and whether its file has faults."""
    from echo.line import ProductLine
    from echo.rules import Rules
    from experts.knowledge import KnowledgeGuide

    opened = ProductLine.load(line, home=home)
    rules = Rules(opened)
    rules.refresh()
    if rules.fault:
        say_aside(f"echo-iad: {rules.fault}")
    if rules.knowledge is None:
        say(f"Line {line} has no rules. Begin with: echo-iad knowledge new {line}")
        return
    excerpt = KnowledgeGuide(rules.knowledge).relevant((), question=question)
    clauses = excerpt.clauses if question else rules.knowledge.clauses
    if out is not None:
        from echo.zone_sheet import write_zones

        say_aside(f"Zones: {write_zones(opened, rules.knowledge, out)}")
    if as_json:
        typer.echo(json.dumps(_as_json(rules, clauses), indent=1))
        return
    _show(rules, clauses)
    for asked in excerpt.questions:
        say(f"{asked.question} {asked.answer}")
    if question and excerpt.left_out:
        say(f"{_counted(excerpt.left_out, 'further defect')} left out; ask otherwise for these.")


@knowledge.command(epilog="Example: echo-iad knowledge use washer rules/washer.yaml")
def use(
    line: Name,
    file: Annotated[Path, typer.Argument(help="The knowledge file that people edit from now on.")],
    home: Home = None,
) -> None:
    """Put a knowledge file in force for a line; later edits of it count as they are saved."""
    from echo.line import ProductLine
    from echo.rules import put_in_line
    from experts.knowledge import parse_knowledge
    from experts.knowledge.reading import read_file

    opened = ProductLine.load(line, home=home)
    raw = read_file(file)
    count = len(parse_knowledge(raw, file).clauses)
    put_in_line(opened, raw, file)
    say(f"{file} is in force for {line}: {_counted(count, 'clause')}. Its edits count once saved.")


@knowledge.command(epilog="Example: echo-iad knowledge diff washer washer-new.yaml")
def diff(
    line: Name,
    file: Annotated[Path, typer.Argument(help="The new rules.")],
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Try new rules on the stored inspections; exit code 1: some verdicts would change."""
    from echo.cli_replay import show_replay
    from echo.line import ProductLine
    from echo.replay import replay
    from experts.knowledge import load_knowledge

    found = replay(ProductLine.load(line, home=home), load_knowledge(file))
    show_replay(found, as_json=as_json)
    if found.changes:
        raise typer.Exit(1)


@knowledge.command(epilog="Example: echo-iad knowledge schema --out knowledge/schema.json")
def schema(
    out: Annotated[Path | None, typer.Option(help="Write it here instead of printing it.")] = None,
) -> None:
    """The JSON Schema of knowledge files, with which editors complete and check."""
    from echo.storage import write_bytes

    if out is None:
        typer.echo(_schema().decode(), nl=False)
        return
    write_bytes(out, _schema())
    say(f"Wrote {out}.")


@knowledge.command(epilog="Example: echo-iad knowledge prompts washer --accept 1,3-5")
def prompts(
    line: Name,
    accept: Annotated[
        str | None, typer.Option(help="Write these into the file: numbers such as 1,3-5, or all.")
    ] = None,
    mllm: Mllm = None,
    home: Home = None,
) -> None:
    """Propose abnormal prompts for encoders that know texts; accepted ones go into the file.

    A language model that sees proposes more, if one is set.
    """
    from echo.language import Language
    from echo.line import ProductLine
    from echo.rules import accept_prompts, editable_rules
    from experts.abnormal_prompts import propose

    opened = ProductLine.load(line, home=home)
    path, rules = editable_rules(opened)
    model = Language(opened.home, line, mllm).model()
    # What sees nothing repeats a page, and knows no more of defects than the file.
    proposed = propose(rules.file, model if model is not None and model.sees else None)
    if accept is None:
        for number, text in enumerate(proposed, start=1):
            say(f"{number:3}  {text}")
        say(f"Next: echo-iad knowledge prompts {line} --accept 1,3-5")
        return
    chosen = [proposed[number - 1] for number in _numbers(accept, len(proposed))]
    accept_prompts(path, chosen)
    for text in chosen:
        say(f"  {text}")
    say(
        f"Wrote {_counted(len(chosen), 'prompt')} into {path}. The text branch learns them when "
        f"{line} is enrolled again."
    )


@knowledge.command("import-mmad", epilog="Example: echo-iad knowledge import-mmad FILE --out mmad")
def import_mmad(
    file: Annotated[Path, typer.Argument(help="MMAD's domain_knowledge.json.")],
    out: Annotated[Path, typer.Option(help="Folder that takes one file for each object.")],
) -> None:
    """Turn the MMAD benchmark's texts into knowledge files; no clause is invented."""
    from echo.storage import check_free, writable_folder, write_new
    from experts.knowledge.mmad import read_domain_knowledge

    texts = read_domain_knowledge(file)
    folder = writable_folder(out)
    for name in texts:
        check_free(folder / name)
    for name, text in texts.items():
        write_new(folder / name, text.encode())
    say(f"Wrote {_counted(len(texts), 'file')} into {folder}.")


def _schema() -> bytes:
    from experts.knowledge import json_schema

    return (json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n").encode()


def _show(rules: Rules, clauses: tuple[Clause, ...]) -> None:
    if rules.knowledge is None:
        return
    file = rules.knowledge.file
    scale = f", {file.mm_per_px:g} mm per px" if file.mm_per_px else ""
    say(f"{file.product}: {file.normal}")
    say(f"Revision {(rules.sha256 or '')[:8]} of {rules.path}, alpha {rules.alpha:g}{scale}.")
    table = Table("clause", "of", "allowed", "else", "line")
    for clause in clauses:
        what = clause.defect or "any place"
        where = f"{what} in {clause.zone}" if clause.zone else what
        then = clause.then + (f" ({clause.note})" if clause.note else "")
        cells = (clause.id, where, clause.allows, then, str(clause.line))
        table.add_row(*map(cell, cells))
    Console().print(table)


def _as_json(rules: Rules, clauses: tuple[Clause, ...]) -> dict[str, Any]:
    return {
        "path": str(rules.path) if rules.path else None,
        "sha256": rules.sha256,
        "alpha": rules.alpha,
        "fault": rules.fault,
        "knowledge": rules.knowledge.file.model_dump() if rules.knowledge else None,
        "clauses": [clause.model_dump() for clause in clauses],
    }


def _numbers(text: str, count: int) -> list[int]:
    if text.strip().casefold() == "all":
        return list(range(1, count + 1))
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= count:
            raise typer.BadParameter(
                f"{part.strip()!r}: expected numbers from 1 to {count}, or all"
            )
        numbers += range(first, last + 1)
    return list(dict.fromkeys(numbers))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

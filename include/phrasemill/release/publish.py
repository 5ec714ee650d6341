"""Publishing a release: samples, card, Croissant and sums, then the manifest, conditionally and last.

Guarantee: the manifest is the publication. It is put once, after every file that it names has been found in the
bucket with its size, so whoever sees a manifest can fetch all of it. Until then nothing says 'published', and a
publication that was killed does all of it again, to the same bytes. One killed after the manifest only clears up.
"""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from phrasemill.errors import StoreUnavailable
from phrasemill.planning import format_shards
from phrasemill.release.card import CARD, MARKDOWN, render_card
from phrasemill.release.card_facts import CardFacts
from phrasemill.release.contents import TABLES, Footer, TableKind, read_footer
from phrasemill.release.croissant import CROISSANT, croissant
from phrasemill.release.errors import ReleaseError, ReleaseExists, ReleaseQuarantined, WorkMissing
from phrasemill.release.judge import FIGURES, REPORT, SUMMARY, VERDICT
from phrasemill.release.kept import DROPPED, KEPT
from phrasemill.release.keys import links_file, numbered
from phrasemill.release.manifest import ReleaseManifest, VerdictSummary, read_manifest
from phrasemill.release.packed import Packed, read_packed
from phrasemill.release.place import FileEntry, ReleasePlace
from phrasemill.release.planning import clear_work
from phrasemill.release.samples import SAMPLES, put_samples
from phrasemill.store.corpus_store import in_parallel

SUMS = "SHA256SUMS"
DESCRIBING = frozenset({SAMPLES, CARD, CROISSANT, SUMS})
"""Files that are put here; all others are there before."""


def publish(place: ReleasePlace) -> ReleaseManifest:
    """Publish a release whose files are all made and judged; returns the manifest that stands.

    Raises:
        WorkMissing: a step before it has not been done.
        ReleaseError: what lies in the bucket is not what the steps have left there.
        ReleaseExists: this version is published already, from another plan.
        ReleaseQuarantined: the corpus gate failed it.
    """
    standing = _standing(place)
    if standing is None:
        try:
            standing = _publish(place)
        except WorkMissing:
            # Somebody else who publishes the same plan may have cleared up meanwhile.
            standing = _standing(place)
            if standing is None:
                raise
    clear_work(place.store, place.keys)
    return standing


def sums(files: Sequence[FileEntry]) -> bytes:
    """SHA256SUMS, as `sha256sum -c` reads it."""
    return "".join(f"{entry.sha256}  {entry.path}\n" for entry in files).encode()


def _standing(place: ReleasePlace) -> ReleaseManifest | None:
    """The manifest of this plan, None if there is none yet; raises ReleaseExists where it is of another plan."""
    standing = read_manifest(place.store, place.plan.version)
    if standing is not None and standing.plan_digest != place.plan.digest:
        raise _exists(place)
    return standing


def _publish(place: ReleasePlace) -> ReleaseManifest:
    if place.store.bucket.entry(place.keys.quarantine) is not None:
        raise ReleaseQuarantined(
            f"release {place.plan.version} of {place.plan.corpus} was quarantined by the corpus gate "
            f"({place.store.url(place.keys.quarantine)}) and is not published; release under a new version"
        )
    packed = read_packed(place)
    made = [entry for entry in place.files() if entry.path not in DESCRIBING]
    _refuse_incomplete(place, made, packed)
    footers = {kind.name: _footer(place, kind, made) for kind in TABLES}
    draft = _manifest(place, packed)
    described = [*made, put_samples(place, files=len(packed))]
    facts = CardFacts.gather(
        place,
        draft.model_copy(update={"files": tuple(made)}),
        footers=footers,
        figures=_json(place, FIGURES),
        templates=_added([part.templates for part in packed]),
    )
    described.append(place.put_file(CARD, render_card(facts), content_type=MARKDOWN))
    schemas = {name: footer.schema for name, footer in footers.items()}
    about = croissant(draft, described, schemas, licence=place.plan.settings.licence)
    described.append(place.put_file(CROISSANT, about, content_type="application/ld+json"))
    described.sort(key=lambda entry: entry.path)
    described.append(place.put_file(SUMS, sums(described), content_type="text/plain; charset=utf-8"))
    files = tuple(sorted(described, key=lambda entry: entry.path))
    _refuse_changed(place, files)
    manifest = draft.model_copy(update={"files": files})
    if not place.store.bucket.put_if_absent(place.keys.manifest, manifest.as_json(), content_type="application/json"):
        raise _exists(place)
    return manifest


def _exists(place: ReleasePlace) -> ReleaseExists:
    return ReleaseExists(
        f"release {place.plan.version} of {place.plan.corpus} is published already, from another plan "
        f"({place.store.url(place.keys.manifest)}), and is never overwritten; give another version"
    )


def _refuse_incomplete(place: ReleasePlace, made: Sequence[FileEntry], packed: Sequence[Packed]) -> None:
    """Every file that a release has must be noted, and the phrases in them must be those that are kept."""
    noted = {entry.path: entry for entry in made}
    count, plan = len(packed), place.plan
    data = [numbered("data", number, count, suffix=".parquet") for number in range(count)]
    texts = [numbered("text", number, count, suffix=".txt.zst") for number in range(count)]
    links = [links_file(number, plan.cuts.link_ranges) for number in range(plan.cuts.link_ranges)]
    index = ["index/lexemes.parquet", "index/words.parquet"]
    expected = [*data, *texts, *links, DROPPED, *index, VERDICT, FIGURES, REPORT, SUMMARY]
    if missing := [path for path in expected if path not in noted]:
        raise WorkMissing(
            f"release {plan.version} of {plan.corpus} cannot be published: {missing[0]}"
            + (f" and {len(missing) - 1} more files have" if len(missing) > 1 else " has")
            + " not been made; clear the steps that make them, or run the release again"
        )
    kept, written = place.json(KEPT)["kept"], sum(noted[path].rows or 0 for path in data)
    if written != kept:
        raise ReleaseError(
            f"release {plan.version} of {plan.corpus} cannot be published: {kept:,} phrases are kept, and its files of "
            f"phrases have {written:,}; run the release again from its start"
        )


def _refuse_changed(place: ReleasePlace, files: Sequence[FileEntry]) -> None:
    """Every file must lie in the bucket with its size, and nothing else beside them."""
    root, ours = place.keys.root, {place.keys.plan, place.keys.manifest}
    found = {entry.key: entry.size for entry in place.store.bucket.entries(root)}
    for file in files:
        size = found.pop(place.keys.file(file.path), None)
        if size != file.bytes:
            has = "is gone" if size is None else f"has {size:,} bytes, not {file.bytes:,}"
            raise StoreUnavailable(f"{place.store.url(place.keys.file(file.path))} {has}; run the release again")
    strange = [key for key in found if key not in ours and not key.startswith(place.keys.all_work)]
    if strange:
        raise ReleaseError(
            f"{place.store.url(strange[0])}: is no file of release {place.plan.version} "
            f"({len(strange)} such in all); remove what does not belong there, or release under a new version"
        )


def _footer(place: ReleasePlace, kind: TableKind, made: Sequence[FileEntry]) -> Footer:
    """The footers of a table's files, taken together.

    Raises:
        ReleaseError: they differ in columns, or have other rows than were noted.
    """
    files = kind.files(made)
    bucket, keys = place.store.bucket, place.keys
    footers = in_parallel(lambda entry: read_footer(bucket, keys.file(entry.path), size=entry.bytes), files)
    for entry, footer in zip(files, footers, strict=True):
        if not footer.schema.equals(footers[0].schema) or footer.rows != entry.rows:
            raise ReleaseError(
                f"{place.store.url(keys.file(entry.path))}: has other columns than {files[0].path}, or not the "
                f"{entry.rows} rows that were written; run the release again from its start"
            )
    schema: pa.Schema = footers[0].schema.remove_metadata()
    return Footer(sum(footer.rows for footer in footers), sum(footer.bytes for footer in footers), schema)


def _manifest(place: ReleasePlace, packed: Sequence[Packed]) -> ReleaseManifest:
    """The manifest, but for its files."""
    plan, spec, kept = place.plan, place.store.spec, place.json(KEPT)
    return ReleaseManifest(
        corpus=plan.corpus,
        title=spec.title,
        version=plan.version,
        partial=plan.partial,
        created_at=plan.created_at,
        fingerprint=plan.fingerprint,
        plan_digest=plan.digest,
        target=plan.target,
        phrases=kept["kept"],
        chars=sum(part.chars for part in packed),
        text_bytes=sum(part.text_bytes for part in packed),
        committed=kept["committed"],
        dropped_exact=kept["exact"],
        dropped_near=kept["near"],
        near_duplicates=plan.settings.near_duplicates,
        order=plan.settings.order,
        seed=plan.settings.seed,
        language=spec.language,
        model=spec.model.name,
        adapter=spec.model.adapter,
        shards=format_shards([shard.shard for shard in plan.shards]),
        files=(),
        verdict=VerdictSummary.of(_json(place, VERDICT)),
    )


def _json(place: ReleasePlace, path: str) -> dict[str, Any]:
    """A JSON file of the release.

    Raises:
        ReleaseError: it is gone, or no JSON object.
    """
    content = place.store.bucket.get(place.keys.file(path))
    try:
        told = json.loads(content or b"")
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ReleaseError(f"{place.store.url(place.keys.file(path))}: is gone or no JSON object; judge again")
    return told


def _added(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Counts added up, by name."""
    names = sorted({name for part in counts for name in part})
    return {name: sum(part.get(name, 0) for part in counts) for name in names}

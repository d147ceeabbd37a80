"""Data keys, wrapped by a file's keys and by a server that speaks as Vault does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import ValidationError

from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import DataKeys, KeyMissingError, KeyPlace, UnwrapRefusedError, open_keys
from mindtrack_shared.sealing.providers import KeyFile, new_key_line
from mindtrack_shared.sealing.vault import VaultTransit
from mindtrack_shared.settings import KeySettings, StorageSettings
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError, open_store
from vault_stand_in import Vault, serving_vault

ADA, GRACE = new_id(), new_id()


class Wrapping(Protocol):
    """A provider whose key can be rotated, and its former one retired."""

    def __call__(self) -> KeyFile | VaultTransit: ...
    def rotate(self) -> None: ...
    def retire(self) -> None: ...


class InFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text(new_key_line("first"))

    def __call__(self) -> KeyFile:
        return KeyFile(self._path)

    def rotate(self) -> None:
        self._path.write_text(new_key_line("second") + self._path.read_text())

    def retire(self) -> None:
        self._path.write_text(self._path.read_text().splitlines()[0])


class InVault:
    def __init__(self, vault: Vault, token_file: Path) -> None:
        self.vault = vault
        self.token_file = token_file
        token_file.write_text(vault.token + "\n")

    def __call__(self) -> VaultTransit:
        return VaultTransit(url=self.vault.url, token_file=self.token_file, mount="transit", key="mindtrack")

    def rotate(self) -> None:
        self.vault.rotate()

    def retire(self) -> None:
        self.vault.least = len(self.vault.versions)


@pytest.fixture
def in_vault(tmp_path: Path) -> Iterator[InVault]:
    with serving_vault() as vault:
        yield InVault(vault, tmp_path / "token")


@pytest.fixture(params=["file", "vault"])
def wrapping(request: pytest.FixtureRequest, tmp_path: Path) -> Wrapping:
    found: Wrapping = (
        InFile(tmp_path / "keys") if request.param == "file" else request.getfixturevalue("in_vault")
    )
    return found


@pytest.fixture
def place(tmp_path: Path) -> RecordingStore:
    return open_store(StorageSettings(url=f"file://{tmp_path}/place"))


@pytest.fixture
def fresh(wrapping: Wrapping, place: RecordingStore) -> Callable[[], DataKeys]:
    """Make keys as a process has them that has just started."""
    return lambda: DataKeys(KeyPlace(place), wrapping())


def test_a_key_is_found_by_every_process(fresh: Callable[[], DataKeys]) -> None:
    made = fresh().make(ADA)

    assert fresh().find(made.id, ADA) == made


def test_where_keys_lie_holds_none_in_clear(fresh: Callable[[], DataKeys], place: RecordingStore) -> None:
    made = fresh().make(ADA)

    (found,) = place.objects()
    assert made.secret not in b"".join(place.read(found.key))


def test_one_persons_key_is_not_anothers(fresh: Callable[[], DataKeys]) -> None:
    made = fresh().make(ADA)

    with pytest.raises(UnwrapRefusedError):
        fresh().find(made.id, GRACE)


def test_keys_that_changed_places_are_refused(fresh: Callable[[], DataKeys], place: RecordingStore) -> None:
    one, other = fresh().make(ADA), fresh().make(ADA)
    place.put(f"keys/{one.id}", b"".join(place.read(f"keys/{other.id}")))

    with pytest.raises(UnwrapRefusedError):
        fresh().find(one.id, ADA)


def test_a_destroyed_key_is_gone_for_every_process(
    fresh: Callable[[], DataKeys], place: RecordingStore
) -> None:
    keys = fresh()
    made = keys.make(ADA)

    keys.destroy(made.id)

    assert not KeyPlace(place).holds(made.id)
    for each in (keys, fresh()):
        with pytest.raises(KeyMissingError):
            each.find(made.id, ADA)
    keys.destroy(made.id)  # again is no error


def test_a_rotated_key_opens_the_same_after_the_former_is_retired(
    fresh: Callable[[], DataKeys], wrapping: Wrapping
) -> None:
    made, other = fresh().make(ADA), fresh().make(GRACE)
    wrapping.rotate()

    assert fresh().rewrap(made.id, ADA)
    assert not fresh().rewrap(made.id, ADA), "it is so already"
    wrapping.retire()

    assert fresh().find(made.id, ADA) == made
    with pytest.raises((UnwrapRefusedError, StorageUnavailableError)):
        fresh().find(other.id, GRACE)


def test_what_is_destroyed_is_not_wrapped_again(fresh: Callable[[], DataKeys], place: RecordingStore) -> None:
    keys = fresh()
    made = keys.make(ADA)
    keys.destroy(made.id)

    assert not keys.rewrap(made.id, ADA)
    assert not KeyPlace(place).holds(made.id)


def test_few_keys_are_remembered_and_not_for_long(wrapping: Wrapping, place: RecordingStore) -> None:
    keys = DataKeys(KeyPlace(place), wrapping(), remembered=2)
    made = [keys.make(ADA) for _ in range(3)]
    assert [keys.remembered(key.id, ADA) is not None for key in made] == [False, True, True]
    assert keys.remembered(made[2].id, GRACE) is None

    short = DataKeys(KeyPlace(place), wrapping(), remembered_seconds=0)
    assert short.remembered(short.make(ADA).id, ADA) is None


# --- what is away, or wrong -----------------------------------------------------------------------------


def test_vault_out_of_reach_is_a_dependency_that_is_away(in_vault: InVault, place: RecordingStore) -> None:
    made = DataKeys(KeyPlace(place), in_vault()).make(ADA)
    keys = DataKeys(KeyPlace(place), in_vault())

    in_vault.vault.sealed = True
    with pytest.raises(StorageUnavailableError, match="503"):
        keys.find(made.id, ADA)
    in_vault.vault.sealed = False
    in_vault.token_file.write_text("expired")
    with pytest.raises(StorageUnavailableError, match="403"):
        keys.find(made.id, ADA)
    in_vault.token_file.unlink()
    with pytest.raises(StorageUnavailableError, match="FileNotFoundError"):
        keys.find(made.id, ADA)
    in_vault.token_file.write_text(in_vault.vault.token)
    assert keys.find(made.id, ADA) == made, "a token that was renewed is read anew"


def test_vault_is_asked_once_for_a_key(in_vault: InVault, place: RecordingStore) -> None:
    made = DataKeys(KeyPlace(place), in_vault()).make(ADA)
    in_vault.vault.asked.clear()
    keys = DataKeys(KeyPlace(place), in_vault())

    for _ in range(5):
        keys.find(made.id, ADA)

    assert in_vault.vault.asked == ["POST /v1/transit/decrypt/mindtrack"]


@pytest.mark.parametrize("text", ["", "first", "first c2hvcnQ=", "first no base64", "a:b " + "A" * 43 + "="])
def test_a_file_that_holds_no_keys_is_found_at_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)

    with pytest.raises(ValueError, match="key-encryption key"):
        KeyFile(tmp_path / "keys")


@pytest.mark.parametrize("wrapped", ["", "file:first", "file:first:!", "file:first:", "file:first:AAAA"])
def test_what_was_never_wrapped_is_refused(tmp_path: Path, wrapped: str) -> None:
    (tmp_path / "keys").write_text(new_key_line("first"))

    with pytest.raises(UnwrapRefusedError):
        KeyFile(tmp_path / "keys").unwrap(wrapped, b"")


def test_without_a_place_there_are_no_keys() -> None:
    assert open_keys(KeySettings(), StorageSettings(url="memory://")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "memory://"},
        {"url": "memory://", "file": "/keys", "vault_url": "https://vault", "vault_token_file": "/token"},
        {"url": "memory://", "vault_url": "https://vault"},
        {"vault_token_file": "/token"},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        KeySettings.model_validate(wrong)


def test_a_key_that_has_not_reached_this_process_yet_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(new_key_line("next"))
    wrapped = KeyFile(tmp_path / "keys").wrap(b"secret", b"")
    (tmp_path / "keys").write_text(new_key_line("first"))

    with pytest.raises(StorageUnavailableError, match="file:next"):
        KeyFile(tmp_path / "keys").unwrap(wrapped, b"")

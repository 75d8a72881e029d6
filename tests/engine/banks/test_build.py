"""A folder of faces becomes a bank; bad pictures and killed runs do not matter."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.banks.build import BankPlan, build_bank, count_faces
from engine.banks.faces import NO_AGE, read_portrait
from engine.banks.files import read_bank
from engine.core.errors import InputError, UsageError
from engine.core.progress import Silence
from engine.data.ages import AgeSource
from engine.data.manifest import Row, ledger_of
from engine.images.saving import save_png
from engine.nets.loading import frozen
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.protocols import NanoAgeEstimator

CPU = torch.device("cpu")


class Counting:
    """An identity network that counts its pictures, and may be killed."""

    def __init__(self, identity_net, killed_after=None):
        self.identity_net, self.count, self.killed_after = identity_net, 0, killed_after
        self.name, self.digest, self.width = (
            identity_net.name,
            identity_net.digest,
            identity_net.width,
        )

    def embed(self, pictures):
        if self.killed_after is not None and self.count >= self.killed_after:
            raise KeyboardInterrupt
        self.count += len(pictures)
        return self.identity_net.embed(pictures)


def plan_of(faces, **changes):
    return BankPlan(faces, faces.parent / "out" / "bank.safetensors", **{"batch": 2, **changes})


def build(plan, identity_net, **more):
    return build_bank(plan, identity_net, Silence(), device=CPU, **more)


def test_every_row_is_the_embedding_of_its_picture(faces, identity_net):
    report = build(plan_of(faces), identity_net)
    read = read_bank(faces.parent / "out" / "bank.safetensors")
    assert report.fresh == len(read) == 6
    assert read.ages.tolist() == [19, 21, 22, 23, 40, 60]
    for row, source in zip(read.embeddings, read.sources, strict=True):
        picture = read_portrait(faces.parent / "out" / source)
        torch.testing.assert_close(row, identity_net.embed(picture)[0])
    assert read.digest == identity_net.digest


def test_large_pictures_are_averaged_to_the_size_of_the_losses(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    save_png(tmp_path / "large.png", pixels, {})
    portrait = read_portrait(tmp_path / "large.png")
    assert portrait.shape == (1, 3, 256, 256)
    mean = pixels[:2, :2].reshape(4, 3).mean(axis=0) / 127.5 - 1
    torch.testing.assert_close(portrait[0, :, 0, 0], torch.tensor(mean, dtype=torch.float32))


def test_a_second_run_embeds_nothing_and_gives_the_same_file(faces, identity_net):
    plan = plan_of(faces)
    build(plan, identity_net)
    before = plan.out.read_bytes()
    counting = Counting(identity_net)
    report = build(plan, counting)
    assert (counting.count, report.fresh, report.kept) == (0, 0, 6)
    assert plan.out.read_bytes() == before


def test_a_killed_run_continues_and_ends_bit_equal(faces, identity_net):
    plan = plan_of(faces)
    with pytest.raises(KeyboardInterrupt):
        build(plan, Counting(identity_net, killed_after=4))
    assert not plan.out.exists()
    counting = Counting(identity_net)
    build(plan, counting)
    assert counting.count == 2
    whole = replace(plan, out=plan.out.with_name("whole.safetensors"))
    build(whole, identity_net)
    assert plan.out.read_bytes() == whole.out.read_bytes()


def test_pictures_are_identified_by_content(faces, identity_net):
    build(plan_of(faces), identity_net)
    (faces / "40_0.png").rename(faces / "41_7.png")
    shutil.copy(faces / "19_4.png", faces / "19_9.png")
    counting = Counting(identity_net)
    report = build(plan_of(faces), counting)
    assert (counting.count, report.copies) == (0, 1)
    assert report.bank.ages.tolist() == [19, 21, 22, 23, 41, 60]


def test_another_embedder_embeds_everything_again(faces, identity_net, other):
    build(plan_of(faces), identity_net)
    counting = Counting(other)
    report = build(plan_of(faces), counting)
    assert counting.count == 6
    assert report.bank.digest == other.digest


def test_bad_pictures_are_reported_and_skipped(faces, identity_net):
    (faces / "30_8.png").write_bytes(b"no picture")
    save_png(faces / "31_9.png", np.zeros((20, 30, 3), np.uint8), {})
    shutil.copy(faces / "19_4.png", faces / "unnamed.png")
    report = build(plan_of(faces), identity_net)
    assert len(report.bank) == 6
    assert dict(report.left_out).keys() == {"30_8.png", "31_9.png", "unnamed.png"}
    assert report.reasons[NO_AGE] == 1
    assert report.reasons["is not aligned: 30 x 20 px is no square"] == 1


def test_a_repaired_picture_is_tried_again(faces, identity_net):
    broken = faces / "30_8.png"
    broken.write_bytes(b"no picture")
    build(plan_of(faces), identity_net)
    save_png(broken, np.full((32, 32, 3), 9, np.uint8), {})
    assert len(build(plan_of(faces), identity_net).bank) == 7


def test_an_embedding_with_nan_is_left_out(faces, identity_net):
    class Broken(Counting):
        def embed(self, pictures):
            embeddings = super().embed(pictures).clone()
            embeddings[0, 0] = torch.nan
            return embeddings

    report = build(plan_of(faces), Broken(identity_net))
    assert len(report.bank) == 3
    assert report.reasons == {"its embedding is not a number": 3}
    assert report.bank.embeddings.isfinite().all()


def test_pictures_of_several_sizes_go_into_one_bank(faces, identity_net):
    save_png(faces / "50_6.png", np.full((48, 48, 3), 9, np.uint8), {})
    report = build(plan_of(faces, batch=7), identity_net)
    row = report.bank.embeddings[report.bank.ages.tolist().index(50)]
    torch.testing.assert_close(row, identity_net.embed(read_portrait(faces / "50_6.png"))[0])


def test_the_manifest_gives_ages_people_and_dropped_pictures(faces, identity_net):
    with ledger_of(faces) as ledger:
        for index, path in enumerate(sorted(faces.glob("*.png"))):
            row = Row(output=path.name, age=70 + index, person=f"{index % 2}")
            if index == 0:
                row = row.model_copy(update={"verdict": "drop"})
            ledger.add(row.dump())
    bank = build(plan_of(faces), identity_net).bank
    assert bank.ages.tolist() == [71, 72, 73, 74, 75]
    assert bank.facts["people"] == ["0", "1"]


def test_a_csv_overrides_manifest_and_name(faces, identity_net):
    listed = AgeSource({"40_0.png": 44.5})
    assert 44.5 in build(plan_of(faces, ages=listed), identity_net).bank.ages.tolist()
    with ledger_of(faces) as ledger:
        ledger.add(Row(output="40_0.png", age=70).dump())
    assert build(plan_of(faces, ages=listed), identity_net).bank.ages.tolist() == [44.5]


def test_an_age_estimator_estimates_unknown_ages(faces, identity_net):
    (faces / "60_5.png").rename(faces / "unnamed.png")
    net = frozen(NanoAge(AgeSpec(size=16, widths=(4, 6))))
    reader = NanoAgeEstimator(net)
    report = build(plan_of(faces), identity_net, age_estimator=reader)
    estimated = float(reader.years(read_portrait(faces / "unnamed.png")))
    assert report.bank.ages.tolist() == pytest.approx(sorted([19, 21, 22, 23, 40, estimated]))
    assert report.bank.facts["ages_read"] == 1
    assert report.bank.facts["age_by"] == "nano-age"


def test_a_ledger_without_estimated_ages_is_not_reused_with_an_estimator(faces, identity_net):
    build(plan_of(faces), identity_net)
    (faces / "60_5.png").rename(faces / "unnamed.png")
    reader = NanoAgeEstimator(frozen(NanoAge(AgeSpec(size=16, widths=(4, 6)))))
    counting = Counting(identity_net)
    assert len(build(plan_of(faces), counting, age_estimator=reader).bank) == 6
    assert counting.count == 1


def test_a_folder_without_usable_pictures_is_an_error(tmp_path, identity_net):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "30_0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture of .* is usable"):
        build(plan_of(tmp_path / "faces"), identity_net)


def test_an_invalid_plan_is_refused_at_once(faces):
    with pytest.raises(UsageError, match="must end in `.safetensors`"):
        BankPlan(faces, faces / "bank.pt")
    with pytest.raises(UsageError, match="at least a year"):
        plan_of(faces, bin_size=0)


def test_counting_writes_nothing(faces):
    shutil.copy(faces / "19_4.png", faces / "unnamed.png")
    plan = plan_of(faces)
    assert count_faces(plan) == (7, 1)
    assert not plan.out.parent.exists()

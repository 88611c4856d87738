"""Makes torch_new.pth and its like in recorded/: run with a Python that has torch, `python record_torch.py`."""

from pathlib import Path

import torch

FOLDER = Path(__file__).with_name("recorded")

if __name__ == "__main__":
    tensors = {
        "transposed": torch.arange(12.0).reshape(3, 4).t(),
        "part": torch.arange(6).half()[2:4],
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "bfloat": torch.tensor([1.5, -2.0]).bfloat16(),
        "bool": torch.tensor([True, False]),
        "long": torch.tensor([2**40, -1]),
    }
    tensors["shared"] = tensors["transposed"][1]
    torch.save({"state_dict": tensors, "epoch": 3}, FOLDER / "torch_new.pth")
    torch.save(tensors, FOLDER / "torch_old.pth", _use_new_zipfile_serialization=False)

    forms = {
        "negative": torch.complex(torch.zeros(4), torch.arange(4.0) + 1).conj().imag,
        "parameter": torch.nn.Parameter(torch.arange(3.0)),
        "expanded": torch.arange(2.0).expand(3, 2),
        "one": torch.tensor(2.0).expand(4),
        0: torch.ones(2),
    }
    torch.save(forms, FOLDER / "torch_forms.pth")
    torch.save(forms, FOLDER / "torch_forms_old.pth", _use_new_zipfile_serialization=False)

"""A turn that goes on from the last one's keys and values computes what it would have from its beginning."""

from pathlib import Path

import pytest
import torch
from talking import make_talk
from tiny import save_tiny_model
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel

from skillmix_lightning.models import load_causal_lm
from skillmix_lightning.students.past import continuation, padded, past_of

NEW = 6


def mistral(sliding_window: int | None) -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = MistralConfig(vocab_size=500, sliding_window=sliding_window, bos_token_id=None, **sizes, **heads)
    return MistralForCausalLM(config).eval()


def llama(folder: Path) -> PreTrainedModel:
    model = load_causal_lm(str(save_tiny_model(folder)))
    make_talk(model)
    return model


def generate(model, ids, mask, stops, **options):
    return model.generate(
        input_ids=ids,
        attention_mask=mask,
        eos_token_id=stops,
        pad_token_id=stops[0],
        do_sample=False,
        temperature=None,
        top_p=None,
        return_dict_in_generate=True,
        output_logits=True,
        **{"max_new_tokens": NEW, **options},
    )


def turns_of(model, said, stops, new_tokens):
    """Yields each turn's number, the tokens it reads where it goes on from the last, and its logits both ways."""
    past = None
    prompts = [[] for _ in said[0]]
    for turn, new in enumerate(said):
        prompts = [[*prompt, *extra] for prompt, extra in zip(prompts, new, strict=True)]
        ids, mask = padded(prompts, stops[0])
        whole = generate(model, ids, mask, stops, max_new_tokens=new_tokens)
        resumed, read = whole, ids.numel()
        if past is not None:
            going_on = continuation(past, prompts, stops[0])
            assert going_on is not None
            read = going_on.ids.shape[1] - going_on.cache.get_seq_length()
            ids, mask = going_on.ids, going_on.mask
            options = {"past_key_values": going_on.cache, "max_new_tokens": new_tokens}
            resumed = generate(model, ids, mask, stops, **options)
        past = past_of(model, resumed, mask, stops)
        tokens = resumed.sequences[:, ids.shape[1] :]
        yield turn, read, torch.stack(resumed.logits), torch.stack(whole.logits)
        stopped = [next((i + 1 for i, token in enumerate(row) if token in stops), len(row)) for row in tokens.tolist()]
        prompts = [[*prompt, *row[:end]] for prompt, row, end in zip(prompts, tokens.tolist(), stopped, strict=True)]


@pytest.mark.parametrize(
    ("name", "rows", "turns", "new_tokens"),
    [("llama", 1, 3, NEW), ("llama", 4, 3, NEW), ("mistral", 4, 3, NEW), ("smollm2", 2, 2, 2)],
)
def test_logits_are_those_of_the_whole_prompt(tmp_path, name, rows, turns, new_tokens):
    models = {
        "llama": lambda: llama(tmp_path),
        "mistral": lambda: mistral(None),
        "smollm2": lambda: load_causal_lm("embedded:smollm2-135m-instruct"),
    }
    draw = torch.Generator().manual_seed(3)
    lengths = [[17, 5, 30, 11][:rows], [4, 9, 3, 6][:rows], [8, 2, 5, 7][:rows]][:turns]
    said = [[torch.randint(5, 490, (n,), generator=draw).tolist() for n in turn] for turn in lengths]
    stops = list(range(60))  # so that some rows end before others
    for turn, read, resumed, whole in turns_of(models[name](), said, stops, new_tokens):
        assert resumed.shape == whole.shape
        assert (resumed - whole).abs().max() < 1e-5 * whole.abs().max().clamp(min=1)
        if turn:  # what was said, and what was generated last and never read
            assert read <= max(lengths[turn]) + 1


def test_rows_keep_what_they_share_and_no_more(tmp_path):
    model = llama(tmp_path)
    first = [[11, 12, 13, 14, 15], [21, 22, 23], [31, 32, 33, 34]]
    ids, mask = padded(first, 0)
    left = generate(model, ids, mask, [499])
    past = past_of(model, left, mask, [499])
    generated = left.sequences[:, ids.shape[1] :].tolist()
    prompts = [
        [*first[0], *generated[0], 16, 17],  # goes on
        [21, 22, 99, 98],  # written otherwise after two tokens
        [41, 42],  # another conversation
    ]
    going_on = continuation(past, prompts, 0)
    kept = 5 + NEW - 1  # the last token was never read
    assert going_on.cache.get_seq_length() == kept
    assert going_on.mask.sum(1).tolist() == [len(prompt) for prompt in prompts]
    assert going_on.mask[:, :kept].sum(1).tolist() == [kept, 2, 0]
    for row, prompt in enumerate(prompts):
        assert going_on.ids[row][going_on.mask[row].bool()].tolist() == prompt
    resumed = generate(model, going_on.ids, going_on.mask, [499], past_key_values=going_on.cache)
    whole = generate(model, *padded(prompts, 0), [499])
    assert (torch.stack(resumed.logits) - torch.stack(whole.logits)).abs().max() < 1e-5


def test_a_prompt_that_was_read_to_its_end_has_its_last_token_read_again(tmp_path):
    model = llama(tmp_path)
    ids, mask = padded([[11, 12, 13]], 0)
    left = generate(model, ids, mask, [499])
    going_on = continuation(past_of(model, left, mask, [499]), [[11, 12, 13]], 0)
    assert going_on.cache.get_seq_length() == 2
    again = generate(model, going_on.ids, going_on.mask, [499], past_key_values=going_on.cache)
    assert again.sequences[0, 3:].tolist() == left.sequences[0, 3:].tolist()


def test_rows_that_share_nothing_are_read_from_their_beginning(tmp_path):
    model = llama(tmp_path)
    ids, mask = padded([[11, 12, 13]], 0)
    past = past_of(model, generate(model, ids, mask, [499]), mask, [499])
    assert continuation(past, [[21, 22]], 0) is None


def test_a_sliding_window_has_dropped_what_would_be_needed():
    model = mistral(sliding_window=8)
    ids, mask = padded([list(range(5, 25))], 0)
    assert past_of(model, generate(model, ids, mask, [499]), mask, [499]) is None


def test_a_static_cache_is_not_gone_on_with(tmp_path):
    model = llama(tmp_path)
    ids, mask = padded([[11, 12, 13]], 0)
    left = generate(model, ids, mask, [499], cache_implementation="static")
    assert past_of(model, left, mask, [499]) is None


def test_a_model_whose_settings_name_a_cache_gets_no_other(tmp_path):
    model = llama(tmp_path)
    model.generation_config.cache_implementation = "dynamic"
    ids, mask = padded([[11, 12, 13]], 0)
    assert past_of(model, generate(model, ids, mask, [499]), mask, [499]) is None

"""A Janus-Pro of a few thousand random weights, and a tokenizer made here."""

import torch
import transformers

TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image_placeholder>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}:{% endif %}"
)
SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>", "<image_placeholder>", "<boi>", "<eoi>")


def tokenizer():
    """One token for each character, as DeepSeek's has one for each digit."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = [*"0123456789abcdefghijklmnopqrstuvwxyzU :"]
    words = {word: at for at, word in enumerate((*SPECIAL, *letters))}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in SPECIAL])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        extra_special_tokens={
            "image_token": "<image_placeholder>",
            "boi_token": "<boi>",
            "eoi_token": "<eoi>",
        },
    )


def config():
    from transformers import JanusConfig, LlamaConfig
    from transformers.models.janus.configuration_janus import JanusVisionConfig, JanusVQVAEConfig

    text = LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=64, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    vision = JanusVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14,
        num_image_tokens=4, projection_dim=32, mlp_ratio=2.0, depth=2,
    )  # fmt: skip
    pictures = JanusVQVAEConfig(
        embed_dim=8, num_embeddings=16, base_channels=32, channel_multiplier=[1, 1],
        latent_channels=32, num_res_blocks=1, projection_dim=32, image_token_embed_dim=32,
    )  # fmt: skip
    return JanusConfig(
        text_config=text, vision_config=vision, vq_config=pictures, image_token_id=4,
        tie_word_embeddings=False,
    )  # fmt: skip


def save(place):
    """The files of a Janus-Pro, tiny, in a folder."""
    from transformers import JanusForConditionalGeneration, JanusProcessor
    from transformers.models.janus.image_processing_janus import JanusImageProcessor

    torch.manual_seed(0)
    JanusForConditionalGeneration(config()).save_pretrained(place)
    processor = JanusProcessor(
        JanusImageProcessor(size={"height": 28, "width": 28}),
        tokenizer(),
        chat_template=TEMPLATE,
        num_image_tokens=4,
    )
    processor.save_pretrained(place)
    return place

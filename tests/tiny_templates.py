"""Short chat templates with the turns of each family of vision-language models."""

from __future__ import annotations


def _template(turns: str, image: str) -> str:
    """One line of Jinja; ``PARTS`` are a message's texts and images in their order."""
    parts = """
        {%- if message.content is string -%}{{ message.content }}
        {%- else -%}
            {%- for part in message.content -%}
                {%- if part.type == 'image' -%}{{ 'IMAGE' }}{%- else -%}{{ part.text }}{%- endif -%}
            {%- endfor -%}
        {%- endif -%}
    """
    lines = turns.replace("PARTS", parts).replace("IMAGE", image).splitlines()
    return "".join(line.strip() for line in lines)


QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

# Says what the model is, if the conversation does not.
QWEN_2_5 = _template(
    r"""
    {%- if messages[0].role != 'system' -%}
        {{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
    {%- endif -%}
    {%- for message in messages -%}
        {{ '<|im_start|>' + message.role + '\n' }}PARTS{{ '<|im_end|>\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
    """,
    QWEN_IMAGE,
)

CHATML = r"""
    {%- for message in messages -%}
        {{ '<|im_start|>' + message.role + '\n' }}PARTS{{ '<|im_end|>\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""
QWEN_3 = _template(CHATML, QWEN_IMAGE)
INTERNVL = _template(CHATML, r"<IMG_CONTEXT>\n")

# Thinks before it answers, unless it is told not to; what was thought in earlier turns is left out.
QWEN_3_5 = _template(
    r"""
    {%- for message in messages -%}
        {{ '<|im_start|>' + message.role + '\n' }}
        {%- if message.role == 'assistant' and loop.last -%}
            {{ '<think>\n\n</think>\n\n' }}
        {%- endif -%}
        PARTS{{ '<|im_end|>\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}
        {{ '<|im_start|>assistant\n<think>\n' }}
        {%- if enable_thinking is defined and not enable_thinking -%}
            {{ '\n</think>\n\n' }}
        {%- endif -%}
    {%- endif -%}
    """,
    QWEN_IMAGE,
)

# A space follows the colon only where a text does.
SMOLVLM = _template(
    r"""
    {{- '<|im_start|>' -}}
    {%- for message in messages -%}
        {{ message.role | capitalize + ':' }}
        {%- if message.content is string or message.content[0].type == 'text' -%}
            {{ ' ' }}
        {%- endif -%}
        PARTS{{ '<end_of_utterance>\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}
    """,
    "<image>",
)

# Has no turn for the system: what it says stands at the head of the user's first turn. Texts lose
# the spaces around them.
GEMMA_3 = _template(
    r"""
    {{- bos_token -}}
    {%- set ns = namespace(head='', turns=messages) -%}
    {%- if messages[0].role == 'system' -%}
        {%- set said = messages[0].content -%}
        {%- set ns.head = (said if said is string else said[0].text) + '\n\n' -%}
        {%- set ns.turns = messages[1:] -%}
    {%- endif -%}
    {%- for message in ns.turns -%}
        {%- set role = 'model' if message.role == 'assistant' else message.role -%}
        {{ '<start_of_turn>' + role + '\n' + (ns.head if loop.first else '') }}
        PARTS{{ '<end_of_turn>\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}
    """,
    "<start_of_image>",
).replace("part.text", "part.text | trim")

/* The members of a body that some engine is told otherwise than they came. */
#ifndef TESTS_MODEL_REWRITE_TOLD_H
#define TESTS_MODEL_REWRITE_TOLD_H

static const char *const told[] = {
	"max_tokens",
	"max_completion_tokens",
	"stream",
	"stream_options",
	"min_tokens",
	"kv_transfer_params",
	"disagg_prefill_resp",
	"bootstrap_host",
	"bootstrap_port",
	"bootstrap_room",
	"rid",
	"disaggregated_params",
	"prompt",
	"prompt_token_ids",
};

enum { TOLD = sizeof(told) / sizeof(told[0]) };

#endif

/* --l2 and --l2-fault. */
#include "replay_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "replay_link.h"

int
replay_l2_parse(replay_options *options, const char *text)
{
	struct stat info;

	if (strcmp(text, "none") == 0) {
		options->l2 = REPLAY_L2_NONE;
		return 0;
	}
	if (strcmp(text, "mem") == 0) {
		options->l2 = REPLAY_L2_MEM;
		return 0;
	}
	if (strstr(text, "://")) {
		options->l2 = REPLAY_L2_URL;
		options->l2_url = text;
		return 0;
	}
	if (strncmp(text, "file:", 5) != 0 || !text[5])
		return replay_option_fail("l2", text,
					  "not none, mem, file:DIR or a URL");
	options->l2 = REPLAY_L2_FILE;
	options->l2_dir = text + 5;
	if (stat(options->l2_dir, &info) != 0)
		return replay_option_fail("l2", text, strerror(errno));
	if (!S_ISDIR(info.st_mode))
		return replay_option_fail("l2", text, "not a directory");
	return 0;
}

/* By REPLAY_FAULT_*. */
static const char *const fault_names[] = {
	[REPLAY_FAULT_NONE] = "none",
	[REPLAY_FAULT_SLOW] = "slow",
	[REPLAY_FAULT_HANG] = "hang",
	[REPLAY_FAULT_FLAP] = "flap",
};
enum { FAULT_NAMES = sizeof(fault_names) / sizeof(fault_names[0]) };

const char *
replay_fault_name(uint32_t fault)
{
	return fault_names[fault];
}

int
replay_l2_fault_parse(replay_options *options, const char *text)
{
	size_t len = strcspn(text, "@");
	char *end = NULL;

	options->l2_fault_from = 0.25;
	if (text[len]) {
		options->l2_fault_from = strtod(text + len + 1, &end);
		if (end == text + len + 1 || *end ||
		    !(options->l2_fault_from >= 0 &&
		      options->l2_fault_from < 1))
			return replay_option_fail(
				"l2-fault", text,
				"what follows @ must be from 0 to below 1");
	}
	for (uint32_t i = REPLAY_FAULT_NONE; i < FAULT_NAMES; i++) {
		if (strlen(fault_names[i]) != len ||
		    strncmp(fault_names[i], text, len) != 0)
			continue;
		options->l2_fault = i;
		return 0;
	}
	return replay_option_fail("l2-fault", text,
				  "not none, slow, hang or flap");
}

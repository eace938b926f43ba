/* The scalers there are, and texts of their parameters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale_scaler.h"

static const autoscale_scaler *const scalers[] = {
	&autoscale_fixed,      &autoscale_hpa, &autoscale_apa,
	&autoscale_apa_compat, &autoscale_kpa, &autoscale_kpa_compat,
	&autoscale_tpa,
};

const autoscale_scaler *
autoscale_scaler_at(uint32_t i)
{
	return i < sizeof(scalers) / sizeof(scalers[0]) ? scalers[i] : NULL;
}

const autoscale_scaler *
autoscale_scaler_find(const char *name, size_t len)
{
	for (uint32_t i = 0; autoscale_scaler_at(i); i++)
		if (strlen(scalers[i]->name) == len &&
		    memcmp(scalers[i]->name, name, len) == 0)
			return scalers[i];
	return NULL;
}

/* The length of the word at text, up to one of ends. */
static size_t
word_bytes(const char *text, const char *ends)
{
	return strcspn(text, ends);
}

static int
key_known(const autoscale_scaler *scaler, const char *word, size_t len)
{
	for (uint32_t i = 0; scaler->keys[i]; i += 2)
		if (strlen(scaler->keys[i]) == len &&
		    memcmp(scaler->keys[i], word, len) == 0)
			return 1;
	return 0;
}

int
autoscale_text_check(const autoscale_scaler *scaler, const char *text,
		     char *complaint, size_t bytes)
{
	while (*text) {
		size_t len = word_bytes(text, "=,");
		char *end;
		double value;

		if (text[len] != '=' || !key_known(scaler, text, len)) {
			snprintf(complaint, bytes, "%s has no parameter %.*s",
				 scaler->name, (int)len, text);
			return -1;
		}
		value = strtod(text + len + 1, &end);
		if (end == text + len + 1 || (*end && *end != ',') ||
		    !isfinite(value) || value < 0) {
			snprintf(complaint, bytes,
				 "%.*s must be a number from 0", (int)len,
				 text);
			return -1;
		}
		text = *end ? end + 1 : end;
	}
	return 0;
}

double
autoscale_number(const char *text, const char *key, double fallback)
{
	size_t n = strlen(key);

	while (*text) {
		if (strncmp(text, key, n) == 0 && text[n] == '=')
			return strtod(text + n + 1, NULL);
		text += word_bytes(text, ",");
		text += *text == ',';
	}
	return fallback;
}

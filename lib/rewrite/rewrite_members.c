/* Reading: members of an object, checked in the same pass. */

#include <aibrix/base.h>

#include "rewrite/rewrite_internal.h"

struct source
aibrix__source_part(const struct source *whole, const char *at, size_t n)
{
	return (struct source){at, n, whole->origin, whole->input};
}

int
aibrix__rewrite_refuse(struct fault *fault, uint32_t why,
		       const struct source *source, const char *at)
{
	*fault = (struct fault){why, source->input,
				(uint64_t)(at - source->origin)};
	return AIBRIX_E_PARSE;
}

int
aibrix__rewrite_not_object(const struct source *source, struct fault *fault)
{
	struct json value;
	size_t offset;

	if (aibrix__json_read(source->text, source->n, &value, &offset))
		return aibrix__rewrite_refuse(fault, AIBRIX_REWRITE_WHY_JSON,
					      source, source->text + offset);
	return aibrix__rewrite_refuse(fault, AIBRIX_REWRITE_WHY_OBJECT, source,
				      value.at);
}

int
aibrix__members_read(const struct source *source, const char *const *names,
		     struct json *values, uint32_t n, struct fault *fault)
{
	struct json_walk walk;
	struct json key, value;
	uint32_t seen = 0;
	int status;

	for (uint32_t i = 0; i < n; i++)
		values[i] = (struct json){source->text, 0, JSON_NULL};
	if (!aibrix__json_open(source->text, source->n, &walk))
		return aibrix__rewrite_not_object(source, fault);
	while ((status = aibrix__json_step(&walk, &key, &value)) == AIBRIX_OK) {
		uint32_t i = 0;

		while (i < n && !aibrix__json_is(&key, names[i]))
			i++;
		if (i == n)
			continue;
		if (seen >> i & 1)
			return aibrix__rewrite_refuse(fault,
						      AIBRIX_REWRITE_WHY_TWICE,
						      source, key.at);
		seen |= 1u << i;
		if (value.type != JSON_NULL)
			values[i] = value;
	}
	if (status == AIBRIX_E_NOT_FOUND)
		return AIBRIX_OK;
	return aibrix__rewrite_refuse(fault, AIBRIX_REWRITE_WHY_JSON, source,
				      walk.at);
}

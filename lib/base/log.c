#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/versioned.h"

enum { LINE_MAX_BYTES = 512 };

int
aibrix__log_load(aibrix_log *dst, const aibrix_log *src)
{
	int err;

	err = aibrix__struct_load(dst, sizeof(*dst), src,
				  STRUCT_UPTO(aibrix_log, fn));
	if (err)
		return err;
	if (dst->level > AIBRIX_LOG_DEBUG)
		return AIBRIX_E_INVAL;
	if (!dst->level)
		dst->level = AIBRIX_LOG_WARN;
	return AIBRIX_OK;
}

void
aibrix__log(const aibrix_log *log, uint32_t level, uint32_t code,
	    const char *format, ...)
{
	static const char cut[] = "...";
	char line[LINE_MAX_BYTES];
	va_list args;
	int n;

	if (!AIBRIX__LOGGING || !log->fn || level > log->level)
		return;
	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		memcpy(line + sizeof(line) - sizeof(cut), cut, sizeof(cut));
	log->fn(log->ctx, level, code, line);
}

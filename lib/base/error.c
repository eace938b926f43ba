#include <aibrix/base.h>

/* One row per status: adding one means adding it here. */
#define STATUSES(ROW)                                                          \
	ROW(AIBRIX_OK, "success")                                              \
	ROW(AIBRIX_E_INVAL, "invalid argument")                                \
	ROW(AIBRIX_E_NOMEM, "out of memory")                                   \
	ROW(AIBRIX_E_ABI, "needs a newer library")                             \
	ROW(AIBRIX_E_NOT_FOUND, "not found")                                   \
	ROW(AIBRIX_E_FULL, "no room left")                                     \
	ROW(AIBRIX_E_AGAIN, "not ready yet")                                   \
	ROW(AIBRIX_E_SPACE, "buffer too small")                                \
	ROW(AIBRIX_E_PARSE, "malformed input")                                 \
	ROW(AIBRIX_E_UNSUPPORTED, "not supported here")                        \
	ROW(AIBRIX_E_STATE, "call out of order")                               \
	ROW(AIBRIX_E_BUSY, "still in use")                                     \
	ROW(AIBRIX_E_CANCELED, "canceled")                                     \
	ROW(AIBRIX_E_IO, "input or output failed")                             \
	ROW(AIBRIX_E_CLOSED, "connection closed")                              \
	ROW(AIBRIX_E_TIMEOUT, "deadline passed")                               \
	ROW(AIBRIX_E_CORRUPT, "data is not what was stored")                   \
	ROW(AIBRIX_E_DENIED, "access denied")                                  \
	ROW(AIBRIX_E_UNAVAILABLE, "not available now")                         \
	ROW(AIBRIX_E_DEVICE, "device error")                                   \
	ROW(AIBRIX_E_DEVICE_LOST, "device lost")

/* clang-format off */
#define TEXT(code, text) case code: return text;
#define NAME(code, text) case code: return #code;
/* clang-format on */

/* No default in either switch: -Wswitch then reports a forgotten row. */

const char *
aibrix_strerror(int status)
{
	switch ((aibrix_error)status) {
		STATUSES(TEXT)
	}
	return "unknown status";
}

const char *
aibrix_error_name(int status)
{
	switch ((aibrix_error)status) {
		STATUSES(NAME)
	}
	return "AIBRIX_E_?";
}

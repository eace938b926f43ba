/* What reasons mean, in words and as statuses. */
#include "config/config_internal.h"

static const struct {
	int status;
	const char *text;
} reasons[] = {
	{AIBRIX_OK, "no fault"},
	{AIBRIX_E_NOT_FOUND, "there is no such name"},
	{AIBRIX_E_INVAL, "the name stands there twice"},
	{AIBRIX_E_PARSE, "the name has no value"},
	{AIBRIX_E_SPACE, "the value is too long"},
	{AIBRIX_E_PARSE, "the value is none of 1, true, 0, false"},
	{AIBRIX_E_PARSE, "the value is not an integer"},
	{AIBRIX_E_PARSE, "the value is not a number"},
	{AIBRIX_E_INVAL, "the value is out of range"},
	{AIBRIX_E_PARSE, "the value is none of the words that are known"},
	{AIBRIX_E_INVAL, "the value is not a power of two"},
	{AIBRIX_E_PARSE, "the value has too many parts"},
	{AIBRIX_E_PARSE, "the value has a byte that cannot stand there"},
	{AIBRIX_E_INVAL, "neither L1 nor L2 is on"},
	{AIBRIX_E_UNSUPPORTED, "there is no client of this store"},
	{AIBRIX_E_UNSUPPORTED, "the program brings no table of this store"},
	{AIBRIX_E_INVAL, "the server has no address"},
	{AIBRIX_E_INVAL, "the file has no name"},
	{AIBRIX_E_INVAL, "the path begins with ~ and no home is known"},
	{AIBRIX_E_UNSUPPORTED, "there is no such setting here"},
};

enum { REASONS = sizeof(reasons) / sizeof(reasons[0]) };

int
aibrix__config_status(uint32_t reason)
{
	return reasons[reason].status;
}

const char *
aibrix_config_reason(uint32_t reason)
{
	return reason < REASONS ? reasons[reason].text : "unknown reason";
}

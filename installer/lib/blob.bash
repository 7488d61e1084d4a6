# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# veneer-install and veneer-config: compile a configuration's source to the blob.

is_blob() { [ "$(od -An -tx1 -N 4 -- "$1" | tr -d ' ')" = d00dfeed ]; }

# Compiles $1 to $2, with the intermediate file $2.pp, or copies $1 if it is a blob; with cpp's line marks dtc's messages name
# file and line of the source.  Sets blob_says to the messages of the preprocessor or dtc.
make_blob() { # make_blob SOURCE BLOB
	blob_says=
	# A name with a dash must not be an option.
	[[ $1 != -* ]] || set -- "./$1" "$2"
	if is_blob "$1"; then
		cp -- "$1" "$2"
		return
	fi
	blob_says=$(cpp -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I "$(dirname -- "$1")" "$1" 2>&1 >"$2.pp") || {
		blob_says="the preprocessor says:"$'\n'$blob_says
		return 1
	}
	local rc=0
	blob_says=$(dtc -I dts -O dtb -W no-unit_address_vs_reg -W no-unit_address_format -W no-chosen_node_stdout_path \
		-o "$2" "$2.pp" 2>&1) || rc=1
	[ -z "$blob_says" ] || blob_says="dtc says:"$'\n'$blob_says
	return $rc
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# scripts/psf-to-c: the font of the screen's messages.

setup() {
	ROOT=$(realpath "$BATS_TEST_DIRNAME/../..")
	TOOL=$ROOT/scripts/psf-to-c
	cd "$BATS_TEST_TMPDIR" || return 1
}

# psf1 HEIGHT FIRST-CODE: print a font of 256 glyphs whose bytes are their code; by its table glyph n is code point n +
# FIRST-CODE.
psf1() {
	python3 - "$1" "$2" <<-'END'
		import struct, sys
		height, first = int(sys.argv[1]), int(sys.argv[2])
		out = b"\x36\x04\x02" + bytes([height]) + b"".join(bytes([n]) * height for n in range(256))
		out += b"".join(struct.pack("<HHHH", n + first, 0xfffe, 65, 0xffff) for n in range(256))
		sys.stdout.buffer.write(out)
	END
}

psf2() { # psf2 WIDTH
	python3 - "$1" <<-'END'
		import struct, sys
		out = b"\x72\xb5\x4a\x86" + struct.pack("<7I", 0, 32, 1, 95, 16, 16, int(sys.argv[1]))
		out += b"".join(bytes([n]) * 16 for n in range(95))
		out += b"".join(chr(32 + n).encode() + b"\xfeA\xff" for n in range(95))
		sys.stdout.buffer.write(out)
	END
}

# glyph CODE FILE: print the bytes of a glyph
glyph() { sed -n "s|^\t{ \(.*\) },\t/\* $1 \*/|\1|p" "$2"; }

@test "psf-to-c: PSF 1, plain and compressed, by its table of code points" {
	psf1 16 0 >a.psf
	"$TOOL" a.psf >a.c
	[ "$(grep -c '/\* [0-9]* \*/' a.c)" = 95 ]
	[ "$(glyph 65 a.c)" = "$(printf '0x41, %.0s' {1..15})0x41" ]
	gzip -k a.psf
	"$TOOL" a.psf.gz | cmp - a.c
	psf1 16 10 >b.psf
	"$TOOL" b.psf >b.c
	[ "$(glyph 65 b.c)" = "$(printf '0x37, %.0s' {1..15})0x37" ]
}

@test "psf-to-c: PSF 2" {
	psf2 8 >a.psf
	"$TOOL" a.psf >a.c
	[ "$(glyph 65 a.c)" = "$(printf '0x21, %.0s' {1..15})0x21" ]
	[ "$(glyph 126 a.c)" = "$(printf '0x5e, %.0s' {1..15})0x5e" ]
}

@test "psf-to-c: what is no 8x16 font with all of ASCII is refused" {
	psf1 14 0 >a.psf
	run "$TOOL" a.psf
	[ "$status" = 1 ]
	[[ $output = *"14 pixels high, expected 16"* ]]
	psf1 16 40 >a.psf
	run "$TOOL" a.psf
	[ "$status" = 1 ]
	[[ $output = *"no glyph for ' '"* ]]
	psf2 9 >a.psf
	run "$TOOL" a.psf
	[ "$status" = 1 ]
	[[ $output = *"9 pixels wide"* ]]
	head -c 700 /dev/zero >a.psf
	run "$TOOL" a.psf
	[ "$status" = 1 ]
	[[ $output = *"not a PC screen font"* ]]
	psf1 16 0 | head -c 700 >a.psf
	run "$TOOL" a.psf
	[ "$status" = 1 ]
	run "$TOOL" missing.psf
	[ "$status" = 1 ]
	[[ $output = *"scripts/install-deps"* ]]
	run "$TOOL"
	[ "$status" = 2 ]
}

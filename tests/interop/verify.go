// Checks what cairn writes with Go's checksum-database packages: golang.org/x/mod/sumdb/note for
// signed notes, golang.org/x/mod/sumdb/tlog for the tree (CheckRecord, CheckTree, TreeHash; not
// TileHashReader). Nothing here is shared with cairn.
//
//	verify checkpoint FILE VKEY...        every key signed it; prints size and root
//	verify proof FILE BLOCK VKEY          a c2sp.org/tlog-proof@v1 of the block's bytes
//	verify consistency FILE               what `cairn prove --consistency` prints
//	verify tiles DIR VKEY                 a c2sp.org/tlog-tiles directory, every tile and entry
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A cosignature (type 0x04, "cosignature/v1"), which package note does not know by itself.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func newVerifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(strings.TrimSpace(vkey), "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return note.NewVerifier(strings.TrimSpace(vkey))
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	return witness{parts[0], uint32(hash), key[1:]}, nil
}

type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

func parseCheckpoint(text string) (c checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return c, errors.New("a checkpoint has three lines")
	}
	if c.size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return c, err
	}
	c.origin = lines[0]
	c.root, err = tlog.ParseHash(lines[2])
	return c, err
}

// open checks that every one of vkeys signed the note.
func open(msg []byte, vkeys []string) (c checkpoint, err error) {
	for _, vkey := range vkeys {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return c, err
		}
		n, err := note.Open(msg, note.VerifierList(verifier))
		if err != nil {
			return c, fmt.Errorf("%s: %v", verifier.Name(), err)
		}
		if c, err = parseCheckpoint(n.Text); err != nil {
			return c, err
		}
	}
	return c, nil
}

func hashes(lines []string) (list []tlog.Hash, err error) {
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

func checkProof(file, blockFile, vkey string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	block, err := os.ReadFile(blockFile)
	if err != nil {
		return err
	}
	head, signed, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	proof, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	c, err := open([]byte(signed), []string{vkey})
	if err != nil {
		return err
	}
	return tlog.CheckRecord(tlog.RecordProof(proof), c.size, c.root, index, tlog.RecordHash(block))
}

func checkConsistency(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	var old, new checkpoint
	var roots [2]string
	if _, err := fmt.Sscanf(lines[0], "old %d %s", &old.size, &roots[0]); err != nil {
		return err
	}
	if _, err := fmt.Sscanf(lines[1], "new %d %s", &new.size, &roots[1]); err != nil {
		return err
	}
	both, err := hashes(roots[:])
	if err != nil {
		return err
	}
	proof, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	return tlog.CheckTree(tlog.TreeProof(proof), new.size, both[1], old.size, both[0])
}

// indexPath spells a tile's number as c2sp.org/tlog-tiles does.
func indexPath(n int64, width int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < 256 {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

// checkTiles reads every entry, computes the tree from them, and compares root and tiles.
func checkTiles(dir, vkey string) error {
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	c, err := open(signed, []string{vkey})
	if err != nil {
		return err
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
		for _, i := range indexes {
			list = append(list, stored[i])
		}
		return list, nil
	})
	for n := int64(0); n < c.size; {
		width := int(min(256, c.size-n))
		bundle, err := os.ReadFile(filepath.Join(dir, "tile/entries", indexPath(n/256, width)))
		if err != nil {
			return err
		}
		for i := 0; i < width; i++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return errors.New("an entry bundle ends early")
			}
			size := int(binary.BigEndian.Uint16(bundle))
			more, err := tlog.StoredHashes(n, bundle[2:2+size], reader)
			if err != nil {
				return err
			}
			stored = append(stored, more...)
			bundle = bundle[2+size:]
			n++
		}
		if len(bundle) != 0 {
			return errors.New("an entry bundle holds more than its width")
		}
	}
	if c.size > 0 {
		root, err := tlog.TreeHash(c.size, reader)
		if err != nil {
			return err
		}
		if root != c.root {
			return errors.New("the entries do not hash to the checkpoint's root")
		}
	}
	for _, tile := range tlog.NewTiles(8, 0, c.size) {
		// Debian's version lists every partial width on the way; a server keeps the last.
		if last := c.size>>(8*uint(tile.L)) - tile.N<<8; tile.W < 256 && int64(tile.W) != last {
			continue
		}
		want, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, "tile", strconv.Itoa(tile.L), indexPath(tile.N, tile.W))
		have, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, want) {
			return fmt.Errorf("%s holds other hashes", path)
		}
	}
	fmt.Printf("%s\n%d\n", c.origin, c.size)
	return nil
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: verify checkpoint|proof|consistency|tiles ARGUMENTS")
	}
	switch {
	case args[0] == "checkpoint" && len(args) > 2:
		text, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		c, err := open(text, args[2:])
		if err == nil {
			fmt.Printf("%d %s\n", c.size, c.root)
		}
		return err
	case args[0] == "proof" && len(args) == 4:
		return checkProof(args[1], args[2], args[3])
	case args[0] == "consistency" && len(args) == 2:
		return checkConsistency(args[1])
	case args[0] == "tiles" && len(args) == 3:
		return checkTiles(args[1], args[2])
	}
	return errors.New("unknown arguments")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

// Goyaml decodes YAML as kubectl does, for the tests.
//
// Standard input is a sequence of documents, each behind its length (four bytes, big-endian). Every document is answered
// before the next is read: the length, one status byte, then the document as JSON (status 0) or the error (status 1).
// The end of the input ends the process.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

const (
	statusOK    = 0
	statusError = 1
)

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "goyaml:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	for {
		document, err := read(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := out.Write(frame(decode(document))); err != nil {
			return err
		}
	}
}

func read(in io.Reader) ([]byte, error) {
	var length uint32
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	document := make([]byte, length)
	if _, err := io.ReadFull(in, document); err != nil {
		return nil, fmt.Errorf("document of %d bytes: %v", length, err) // not %w: EOF means the end between documents
	}
	return document, nil
}

func decode(document []byte) (status byte, body []byte) {
	converted, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return statusError, []byte(err.Error())
	}
	return statusOK, converted
}

func frame(status byte, body []byte) []byte {
	answer := make([]byte, 0, 4+1+len(body))
	answer = binary.BigEndian.AppendUint32(answer, uint32(1+len(body)))
	answer = append(answer, status)
	return append(answer, body...)
}

// Ignition says of each line of standard input whether it is an Ignition config of version 3.2, for the tests.
//
// A line is a config as JSON. Its answer is one line: empty where nothing is wrong, else the report.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/coreos/ignition/v2/config/v3_2"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, found, err := v3_2.Parse(lines.Bytes())
		text := strings.TrimSpace(found.String())
		if err != nil {
			text = fmt.Sprintf("%v: %s", err, text)
		}
		fmt.Println(strings.ReplaceAll(text, "\n", "; "))
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "ignition:", err)
		os.Exit(1)
	}
}

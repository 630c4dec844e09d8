"""
CloudFormation: an interpreter of templates over the resource types that this project deploys.

`service` answers the API; `engine` makes stacks what templates say; `template` and `intrinsics` read templates;
`resources/` holds one file for each AWS service whose resources can be made.
A type or property that is not listed there fails the stack: nothing is dropped silently.
"""

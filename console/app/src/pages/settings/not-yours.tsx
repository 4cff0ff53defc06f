import { IconLock } from '@tabler/icons-react';
import { Card } from '../../components/page';
import { Empty } from '../../components/states';

// NotYours is in the place of what only the account that runs the server may see.
export const NotYours = ({ what, error }: { what: string; error: Error }) => <Card><Empty icon={IconLock} title={`${what}.`}>{error.message}</Empty></Card>;
